# The protocol of the author's training script, for `mmresneskt reproduce table2 --recipe
# imagenet10_author`: Adam at 1e-3 for 100 epochs of batches of 8, no schedule, random crops and
# flips. His ten classes: `mmresneskt prepare-imagenet10 --classes author --no-augment
# --keep-originals`. He kept the weights that were best on the test images; the tables have the
# last epoch's, as the paper says. His weight decay is not known: 0, Adam's default.
_base_ = "imagenet10.py"

train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type="LoadImageFromFile"),
            dict(type="RandomResizedCrop", scale=224),
            dict(type="RandomFlip", prob=0.5, direction="horizontal"),
            dict(type="PackInputs"),
        ]
    )
)
evaluated = dict(
    pipeline=[
        dict(type="LoadImageFromFile"),
        dict(type="ResizeEdge", scale=256, edge="short"),
        dict(type="CenterCrop", crop_size=224),
        dict(type="PackInputs"),
    ]
)
val_dataloader = dict(dataset=evaluated)
test_dataloader = val_dataloader
val_cfg = dict(train_dataloader=dict(dataset=evaluated))
optim_wrapper = dict(optimizer=dict(_delete_=True, type="Adam", lr=1e-3))
param_scheduler = []
