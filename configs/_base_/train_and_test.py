# Runtime of the classification configs: after every epoch the accuracy and the loss on the
# training images and on the test images, both under the test images' transform.
_base_ = "mmpretrain::_base_/default_runtime.py"
custom_imports = dict(imports=["mmresneskt", "mmresneskt.data.classification"])

val_evaluator = [dict(type="Accuracy", topk=1), dict(type="CrossEntropy")]
test_evaluator = val_evaluator
test_cfg = dict()

default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
randomness = dict(seed=0)
