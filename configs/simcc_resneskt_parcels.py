# The embedded default for poses: generated bottles and buckets, the four ends of each.
#   mmresneskt train mmresneskt::simcc_resneskt_parcels.py
_base_ = "mmpose::_base_/default_runtime.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.pose"])

data_root = "data/parcels"
size = (160, 160)
max_epochs = 6

# Eleven layers and a light head, that learn this in minutes on two cores.
codec = dict(type="SimCCLabel", input_size=(64, 64), sigma=2.0, simcc_split_ratio=2.0)
model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(
        type="PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(type="ResNeSkt", depth=14, num_stages=3, out_indices=(2,)),
    head=dict(
        type="SimCCHead",
        in_channels=1024,
        out_channels=4,
        input_size=codec["input_size"],
        in_featuremap_size=(4, 4),
        deconv_out_channels=(64, 64),
        deconv_kernel_sizes=(4, 4),
        deconv_num_groups=(16, 16),
        loss=dict(type="KLDiscretLoss", use_target_weight=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=False),
)

test_pipeline = [
    dict(type="LoadImage"),
    dict(type="GetBBoxCenterScale"),
    dict(type="TopdownAffine", input_size=codec["input_size"]),
    dict(type="PackPoseInputs"),
]
train_pipeline = [
    *test_pipeline[:2],
    dict(type="RandomFlip", prob=[0.25] * 3, direction=["horizontal", "vertical", "diagonal"]),
    test_pipeline[2],
    dict(type="GenerateTarget", encoder=codec),
    test_pipeline[3],
]
parcels = dict(type="ParcelsPoseDataset", data_root=data_root, size=size)
loader = dict(batch_size=16, num_workers=2, persistent_workers=True)
train_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**parcels, num_images=1520, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=False, round_up=False),
    dataset=dict(**parcels, num_images=200, seed=1, test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type="PCKAccuracy", thr=0.1), dict(type="CocoMetric")]
test_evaluator = val_evaluator

train_cfg = dict(max_epochs=max_epochs, val_interval=2)
optim_wrapper = dict(
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(
        type="CosineAnnealingLR",
        T_max=max_epochs,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(
    logger=dict(interval=10),
    checkpoint=dict(interval=1, max_keep_ckpts=2),
)
randomness = dict(seed=0)
