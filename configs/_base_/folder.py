# Photographs in folders named after their classes, FOLDER/train/CLASS/* and
# FOLDER/test/CLASS/*, at a size and in a time that suit two CPU cores. The learning rate
# is that of MMPretrain's CIFAR-10 recipe, 0.1 at a batch of 128, for a batch of 32.
_base_ = "train_and_test.py"

data_root = "data/photos"
size = 48
max_epochs = 8
data_preprocessor = dict(
    num_classes=10, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True
)
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="ResizeEdge", scale=size, edge="short"),
    dict(type="CenterCrop", crop_size=size),
    dict(type="PackInputs"),
]
train_pipeline = [
    *test_pipeline[:-1],
    dict(type="RandomCrop", crop_size=size, padding=size // 8, padding_mode="reflect"),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="PackInputs"),
]
folder = dict(type="CustomDataset", data_root=data_root)

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(type="DefaultSampler", shuffle=True),
    dataset=dict(**folder, data_prefix="train", pipeline=train_pipeline),
)
evaluated = dict(batch_size=64, num_workers=2, sampler=dict(type="DefaultSampler", shuffle=False))
val_dataloader = dict(
    **evaluated, dataset=dict(**folder, data_prefix="test", pipeline=test_pipeline)
)
test_dataloader = val_dataloader
val_cfg = dict(
    type="TrainAndTestLoop",
    train_dataloader=dict(
        **evaluated, dataset=dict(**folder, data_prefix="train", pipeline=test_pipeline)
    ),
)

train_cfg = dict(by_epoch=True, max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.025, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(
        type="CosineAnnealingLR",
        by_epoch=True,
        T_max=max(1, max_epochs - 1),
        begin=min(1, max_epochs - 1),
        end=max_epochs,
        convert_to_iter_based=True,
    ),
]
auto_scale_lr = dict(base_batch_size=32)
default_hooks = dict(logger=dict(interval=20))
