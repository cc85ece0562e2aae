# The embedded default for classification: generated packages, ten kinds, no data to fetch.
#   mmresneskt train mmresneskt::resneskt_parcels10.py
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/folder.py"]

# Fourteen layers, one block a stage, learn these in seconds per epoch on two CPU cores.
model = dict(
    backbone=dict(_delete_=True, type="ResNeSkt", depth=14, out_indices=(3,)),
    head=dict(num_classes=10),
)

data_root = "data/parcels"
size = 48
pipeline = [dict(type="LoadImageFromFile"), dict(type="PackInputs")]
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RandomFlip", prob=[0.25] * 3, direction=["horizontal", "vertical", "diagonal"]),
    dict(type="RandomCrop", crop_size=size, padding=size // 8, padding_mode="reflect"),
    dict(type="PackInputs"),
]
crops = dict(_delete_=True, type="ParcelCropsDataset", data_root=data_root, size=size)
train_set = dict(**crops, num_images=2000, seed=0)
test_set = dict(**crops, num_images=500, seed=1, pipeline=pipeline)

train_dataloader = dict(dataset=dict(**train_set, pipeline=train_pipeline))
val_dataloader = dict(dataset=test_set)
test_dataloader = val_dataloader
val_cfg = dict(train_dataloader=dict(dataset=dict(**train_set, pipeline=pipeline)))

optim_wrapper = dict(
    _delete_=True,
    type="OptimWrapper",
    optimizer=dict(type="AdamW", lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=5),
)
