# The recipe of faster_rcnn_resneskt50_voc.py for one GPU: 640x480, batches of 4, 12 epochs. The
# learning rate grows by the square root of the batch's growth, as Adam's does.
_base_ = "faster_rcnn_resneskt50_voc.py"

scale = (640, 480)
max_epochs = 12
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    {{_base_.pack_with_boxes}},
]
train_dataloader = dict(batch_size=4, num_workers=4, dataset=dict(pipeline=train_pipeline))
evaluated = dict(pipeline=test_pipeline)
val_dataloader = dict(batch_size=8, dataset=evaluated)
test_dataloader = val_dataloader
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(max_epochs=max_epochs, val_interval=4)
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
