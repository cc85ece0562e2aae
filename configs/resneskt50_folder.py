# ResNeSkt-50 on photographs of your own, in folders named after their classes:
#   mmresneskt train mmresneskt::resneskt50_folder.py --cfg-options data_root=FOLDER
_base_ = ["mmpretrain::_base_/models/resnet50.py", "_base_/folder.py"]
model = dict(
    backbone=dict(_delete_=True, type="ResNeSkt", depth=50, out_indices=(3,)),
    head=dict(num_classes=10),  # mmresneskt train and test count the folders
)
