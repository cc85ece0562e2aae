# ImageNet-1K pretraining by MMPretrain's own ResNeSt-50 recipe (32 GPUs of 64 images, 270
# epochs): the weights that a detector starts from, for those who have the machines.
_base_ = "mmpretrain::resnest/resnest50_32xb64_in1k.py"
custom_imports = dict(imports=["mmresneskt"])
model = dict(backbone=dict(_delete_=True, type="ResNeSkt", depth=50, out_indices=(3,)))
