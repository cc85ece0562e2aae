# The embedded default for rotated detection: generated packages as they lie, no data to fetch.
#   mmresneskt train mmresneskt::rotated_fcos_resneskt_parcels.py
_base_ = "mmrotate::rotated_fcos/rotated-fcos-le90_r50_fpn_1x_dota.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.rotated"])

data_root = "data/parcels"
size = (160, 160)
max_epochs = 6

# Fourteen layers and a light head, that learn this in minutes on two cores. Packages are 35 to 77
# pixels long in these images: three levels of the pyramid are enough.
model = dict(
    backbone=dict(_delete_=True, type="ResNeSkt", depth=14),
    neck=dict(out_channels=64, num_outs=3),
    bbox_head=dict(
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        strides=[8, 16, 32],
        regress_ranges=((-1, 24), (24, 48), (48, 1e8)),
    ),
    test_cfg=dict(nms_pre=300, max_per_img=100),
)

train_pipeline = _base_.train_pipeline
train_pipeline[3].update(scale=size)
test_pipeline = _base_.val_pipeline
test_pipeline[1].update(scale=size)
parcels = dict(_delete_=True, type="ParcelsRotatedDataset", data_root=data_root, size=size)
train_dataloader = dict(
    batch_size=4,
    dataset=dict(**parcels, num_images=760, seed=0, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(**parcels, num_images=100, seed=1, test_mode=True, pipeline=test_pipeline),
)
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=max_epochs, val_interval=2)
optim_wrapper = dict(
    _delete_=True,
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
default_hooks = dict(logger=dict(interval=10), checkpoint=dict(max_keep_ckpts=2))
randomness = dict(seed=0)
