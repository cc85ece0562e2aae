# The recipe of folder.py for one GPU: 128x128, 20 epochs and the batch of MMPretrain's CIFAR-10
# recipe with its learning rate. Every fifth epoch is measured.
_base_ = "folder.py"

size = 128
max_epochs = 20
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
train_dataloader = dict(batch_size=128, num_workers=4, dataset=dict(pipeline=train_pipeline))
evaluated = dict(batch_size=256, num_workers=4, dataset=dict(pipeline=test_pipeline))
val_dataloader = evaluated
test_dataloader = val_dataloader
val_cfg = dict(train_dataloader=evaluated)
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=0.1))
auto_scale_lr = dict(base_batch_size=128)
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
