# The embedded default for segmentation: generated packages, a kind for every pixel, no download.
#   mmresneskt train mmresneskt::upernet_resneskt_parcels.py
_base_ = ["mmseg::_base_/models/upernet_r50.py", "mmseg::_base_/default_runtime.py"]
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.segmentation"])

data_root = "data/parcels"
size = (160, 160)
max_epochs = 5

# Fourteen layers and light heads, that learn this in minutes on two cores.
norm_cfg = dict(type="BN", requires_grad=True)
head = dict(num_classes=11, norm_cfg=norm_cfg)
model = dict(
    pretrained=None,
    data_preprocessor=dict(size=size),
    backbone=dict(_delete_=True, type="ResNeSkt", depth=14),
    decode_head=dict(channels=64, **head),
    auxiliary_head=dict(channels=64, **head),
)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=[0.25, 0.25], direction=["horizontal", "vertical"]),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
parcels = dict(type="ParcelsSegDataset", data_root=data_root, size=size)
loader = dict(batch_size=4, num_workers=2, persistent_workers=True)
train_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**parcels, num_images=760, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    **loader,
    sampler=dict(type="DefaultSampler", shuffle=False),
    dataset=dict(**parcels, num_images=100, seed=1, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])
test_evaluator = val_evaluator

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    type="OptimWrapper",
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
auto_scale_lr = dict(base_batch_size=4)
log_processor = dict(by_epoch=True)
default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=10),
    param_scheduler=dict(type="ParamSchedulerHook"),
    checkpoint=dict(type="CheckpointHook", interval=1, max_keep_ckpts=2),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    visualization=dict(type="SegVisualizationHook"),
)
randomness = dict(seed=0)
