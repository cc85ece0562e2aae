"""Mistakes in a config, each with the dotted key at fault."""

from __future__ import annotations

from tests.support.mutations import misspelt, seeded

# settings of configs/faster_rcnn_resneskt50_voc.py, and of resneskt50_folder.py
DETECTOR = {
    "train_dataloader.batch_size": [0, -2, 1.5, "4", None, True],
    "train_dataloader.num_workers": [-1, 0.5, "two"],
    "train_dataloader.prefetch_factor": [0, "x"],
    "val_dataloader.batch_size": [0, "1"],
    "test_dataloader.num_workers": [-3],
    "train_cfg.max_epochs": [0, -1, "12", 2.5],
    "train_cfg.val_interval": [0, -1, "1"],
    "optim_wrapper.optimizer.lr": [-0.1, "0.1", float("nan"), None, [0.1]],
    "optim_wrapper.optimizer.weight_decay": [-1, "x"],
    "optim_wrapper.optimizer.betas": [(0.9, 1.5), 0.9],
    "optim_wrapper.optimizer.type": ["AdamV", "Sgd"],
    "optim_wrapper.clip_grad.max_norm": [0, -5, "5"],
    "optim_wrapper.accumulative_counts": [0, 1.5, "2"],
    "model.type": ["FasterRCN", "FastRCNNN"],
    "model.backbone.type": ["ResNeSkT", "ResNest", 5],
    "model.backbone.depth": [51, "50", None, -1],
    "model.backbone.out_indices": [(0, 1, 2, 4), (7,), "all"],
    "model.backbone.frozen_stages": [9, -2, "1"],
    "model.backbone.strides": [(1, 2), 2, "1222"],
    "model.backbone.radix": [0, -1, "2"],
    "model.backbone.norm_eval": ["False"],
    "model.backbone.with_cp": ["True"],
    "model.neck.in_channels": [[256, 512, 1024], [64, 128, 256, 512], 256],
    "model.neck.num_outs": [1, "5"],
    "model.rpn_head.in_channels": ["128"],
    "model.rpn_head.anchor_generator.type": ["AnchorGeneratr"],
    "model.roi_head.bbox_head.num_classes": [0, "3", -1, 2.5],
    "default_hooks.checkpoint.interval": [0, "1", 0.5],
    "default_hooks.checkpoint.max_keep_ckpts": [0, "3"],
    "default_hooks.logger.interval": [0, "ten"],
    "default_hooks.timer.type": ["IterTimeHook"],
    "param_scheduler.0.type": ["LinearLr"],
    "param_scheduler.0.start_factor": [-0.1, 5, "x"],
    "param_scheduler.1.type": ["CosineAnealingLR"],
    "param_scheduler.1.T_max": [0, "x"],
    "train_dataloader.dataset.type": ["VOCFolder", "CocoDatasets"],
    "train_dataloader.dataset.pipeline.0.type": ["LoadImageFromFiles"],
    "train_dataloader.dataset.pipeline.2.scale": ["big", None, (1, 2, 3)],
    "train_dataloader.dataset.pipeline.3.prob": [2, -1, "x"],
    "train_dataloader.sampler.type": ["DefaultSampeler"],
    "val_evaluator.metric": ["bboxes", 3],
    "randomness.seed": [-1, "0", 1.5],
    "auto_scale_lr.base_batch_size": [0, "16"],
    "auto_scale_lr.enable": ["False"],
    "load_from": ["nowhere.pth", 3],
    "resume": ["False", 2],
}
CLASSIFIER = {
    "train_dataloader.batch_size": [0, "32"],
    "model.backbone.depth": [49],
    "model.backbone.out_indices": [(0,), (4,)],
    "model.head.num_classes": [0, "10"],
    "model.head.in_channels": [1024, "2048"],
    "data_preprocessor.num_classes": [0, "10"],
    "data_preprocessor.mean": ["x"],
    "optim_wrapper.optimizer.momentum": [-1, "x"],
    "val_evaluator.0.type": ["Acuracy"],
    "val_cfg.type": ["TrainTestLoop"],
    "train_dataloader.dataset.pipeline.1.edge": ["shorter"],
    "train_dataloader.dataset.pipeline.3.crop_size": [-1, "x"],
}
MISSPELT = ("optim_wrapper", "train_dataloader", "param_scheduler", "default_hooks", "load_from")
MISSPELT += ("train_dataloader.batch_size", "train_dataloader.num_workers", "train_cfg.max_epochs")
MISSPELT += ("train_dataloader.sampler.shuffle", "train_cfg.val_interval", "randomness.seed")
MISSPELT += ("optim_wrapper.optimizer.weight_decay", "optim_wrapper.clip_grad", "env_cfg.mp_cfg")
MISSPELT += ("optim_wrapper.optimizer", "model.backbone", "model.neck", "model.roi_head")
MISSPELT += ("model.backbone.depth", "model.neck.num_outs", "model.neck.out_channels")
MISSPELT += ("model.rpn_head.feat_channels", "model.roi_head.bbox_head.num_classes")
MISSPELT += ("model.roi_head.bbox_head.loss_cls.loss_weight", "model.rpn_head.anchor_generator")
MISSPELT += ("default_hooks.checkpoint.interval", "default_hooks.checkpoint.max_keep_ckpts")
MISSPELT += ("param_scheduler.0.start_factor", "train_dataloader.dataset.pipeline.2.scale")
MISSPELT += ("train_dataloader.dataset.pipeline.2.keep_ratio", "train_dataloader.dataset.ann_file")
MISSPELT += ("train_dataloader.dataset.filter_cfg", "auto_scale_lr.base_batch_size")
MISSPELT += ("val_evaluator.metric", "log_processor.window_size", "model.data_preprocessor.mean")


def mistakes(number: int) -> list[tuple[str, str, str, object]]:
    """That many: config, dotted key at fault, key that is misspelt or "", and value.

    Of a misspelt key the one at fault is the misspelling.
    """
    detector, classifier = "faster_rcnn_resneskt50_voc", "resneskt50_folder"
    found = [(detector, key, "", value) for key, values in DETECTOR.items() for value in values]
    found += [(classifier, key, "", v) for key, values in CLASSIFIER.items() for v in values]
    rng = seeded(0)
    for round_ in range(number):
        key = MISSPELT[round_ % len(MISSPELT)]
        holder, _, name = key.rpartition(".")
        wrong = ".".join(filter(None, (holder, misspelt(name, rng))))
        if wrong != key and (detector, wrong, key, None) not in found:
            found.append((detector, wrong, key, None))
    rng.shuffle(found)
    return found[:number]
