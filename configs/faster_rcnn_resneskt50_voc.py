# Any folder in Pascal VOC's layout, trained from scratch on two CPU cores:
#   mmresneskt train mmresneskt::faster_rcnn_resneskt50_voc.py --cfg-options data_root=FOLDER
# The classes are read from the annotations unless `classes="['cat','dog']"` is given.
_base_ = "_base_/small_detector.py"

data_root = "data/VOC"
classes = None
scale = (320, 240)
max_epochs = 8

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
folder = dict(type="VOCFolderDataset", data_root=data_root, data_prefix=dict(sub_data_root=""))
evaluated = dict(**folder, test_mode=True, pipeline=test_pipeline)

train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        _delete_=True,
        **folder,
        ann_file="ImageSets/Main/train.txt",
        filter_cfg=dict(filter_empty_gt=True),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=4,
    dataset=dict(_delete_=True, **evaluated, ann_file="ImageSets/Main/val.txt"),
)
test_dataloader = dict(
    batch_size=4,
    dataset=dict(_delete_=True, **evaluated, ann_file="ImageSets/Main/test.txt"),
)

train_cfg = dict(max_epochs=max_epochs, val_interval=2)
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
auto_scale_lr = dict(base_batch_size=2)
