"""Every operator that a library can reach, read from the installed sources, not from a run.

One training step does not see an operator that is called on a GPU alone, or only once a score is
high enough.
"""

import ast
import functools
import importlib.util
import inspect
import re
from pathlib import Path

import mmcv
import pytest

from mmresneskt.runtime.ops.extension import OPERATORS

OPS = Path(mmcv.__file__).parent / "ops"
EXTENSION = "ext_module"  # mmcv's name of mmcv._ext in every module
LIBRARIES = ("mmdet", "mmpretrain", "mmseg", "mmpose")

NOT_SERVED = {
    "points and voxels in three dimensions": """
        assign_score_withk_backward assign_score_withk_forward ball_query_forward
        chamfer_distance_backward chamfer_distance_forward dynamic_point_to_voxel_backward
        dynamic_point_to_voxel_forward dynamic_voxelize_forward furthest_point_sampling_forward
        furthest_point_sampling_with_dist_forward gather_points_backward gather_points_forward
        group_points_backward group_points_forward hard_voxelize_forward
        iou3d_boxes_overlap_bev_forward iou3d_nms3d_forward iou3d_nms3d_normal_forward knn_forward
        points_in_boxes_all_forward points_in_boxes_cpu_forward points_in_boxes_part_forward
        roiaware_pool3d_backward roiaware_pool3d_forward roipoint_pool3d_forward
        stack_ball_query_forward stack_group_points_backward stack_group_points_forward
        three_interpolate_backward three_interpolate_forward three_nn_forward""",
    "sparse convolutions": """
        fused_indice_conv_forward get_indice_pairs_2d_backward get_indice_pairs_2d_forward
        get_indice_pairs_3d_backward get_indice_pairs_3d_forward get_indice_pairs_4d_forward
        indice_conv_backward indice_conv_forward indice_maxpool_backward indice_maxpool_forward""",
    "quadrilaterals and sets of points, which some of MMRotate's models have": """
        box_iou_quadri convex_giou convex_iou min_area_polygons nms_quadri
        points_in_polygons_forward""",
    "text spotting": "bezier_align_backward bezier_align_forward contour_expand pixel_group",
    "video": "correlation_backward correlation_forward tin_shift_backward tin_shift_forward",
    "image editing": "bias_act filtered_lrelu filtered_lrelu_act_ fused_bias_leakyrelu upfirdn2d",
}
EXCUSED = {name for names in NOT_SERVED.values() for name in names.split()}
NOT_REACHED = {
    "SparseConv2d": EXCUSED,  # MMPretrain has a class of its own by this name
}


@functools.cache
def definitions():
    """For each (module, name) of mmcv.ops what its definition mentions; "" is the module itself."""
    found = {}
    for path in OPS.glob("*.py"):
        for node in statements(ast.parse(path.read_text()).body):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                for alias in node.names:
                    source = (node.module, alias.name) if node.module else (alias.name, "")
                    found[path.stem, alias.asname or alias.name] = {source}
            for name in defined(node):
                found.setdefault((path.stem, name), set()).update(mentioned(path.stem, node))
                found.setdefault((path.stem, ""), set()).add((path.stem, name))
    return found


def defined(node):
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else ()
    names = {name_of(n) for target in targets for n in ast.walk(target)}
    return names - {None, EXTENSION}  # the latter's definition lists all


def statements(body):
    """The statements of a module, those below an "if" too."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from statements([*node.body, *node.orelse])
        yield node


def name_of(node):
    return node.id if isinstance(node, ast.Name) else None


def mentioned(module, node):
    """What a definition may use: names, texts that may be looked up, and operators."""
    for n in ast.walk(node):
        if isinstance(n, ast.Attribute) and name_of(n.value) == EXTENSION:
            yield EXTENSION, n.attr
        elif isinstance(n, ast.Name):
            yield module, n.id
        elif isinstance(n, ast.Constant) and isinstance(n.value, str):
            yield module, n.value


def operators_of(module, name):
    """The operators that mmcv.ops.module.name can end in."""
    seen, waiting = set(), [(module, name)]
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen.add(item)
            waiting.extend(definitions().get(item, ()))
    return {operator for kind, operator in seen if kind == EXTENSION}


@functools.cache
def calls():
    """Every use of an operator in mmcv.ops, as (operator, call or None)."""
    found = []
    for path in OPS.glob("*.py"):
        tree = ast.parse(path.read_text())
        called = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called[node.func] = node
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and name_of(node.value) == EXTENSION:
                found.append((node.attr, called.get(node)))
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "load_ext":
                found += [(name, None) for name in ast.literal_eval(node.args[1])]
    return found


@functools.cache
def registered():
    """The definition of each name that a library can give: mmcv.ops' own and the registries'."""
    found = {
        alias.name: (node.module, alias.name)
        for node in ast.parse((OPS / "__init__.py").read_text()).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for path in OPS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in getattr(node, "decorator_list", ()):
                if getattr(getattr(decorator, "func", None), "attr", "") == "register_module":
                    texts = [n.value for n in ast.walk(decorator) if isinstance(n, ast.Constant)]
                    for name in [node.name, *(t for t in texts if isinstance(t, str))]:
                        found[name] = (path.stem, node.name)
    return found


def named_by(library):
    """The definitions of mmcv.ops that a library's code imports, or it and its configs write."""
    root = Path(importlib.util.find_spec(library).origin).parent
    for path in root.rglob("*.py"):
        text = path.read_text()
        for name in set(re.findall(r"[\"'](\w+)[\"']", text)) & registered().keys():
            yield registered()[name]
        for node in ast.walk(ast.parse(text)) if "mmcv.ops" in text else ():
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mmcv.ops"):
                _, _, module = node.module.partition("mmcv.ops.")
                for alias in node.names:
                    yield (module, alias.name) if module else registered()[alias.name]


def test_every_operator_of_mmcv_is_served_or_left_out_for_a_reason():
    named = {name for name, _ in calls()}
    assert not named - {*OPERATORS} - EXCUSED
    assert not {*OPERATORS} - named, "a public function that is no operator"
    assert not {*OPERATORS} & EXCUSED


def test_operators_take_the_arguments_that_mmcv_gives():
    for name, call in calls():
        if name in OPERATORS and call and not any(isinstance(a, ast.Starred) for a in call.args):
            given = {keyword.arg: None for keyword in call.keywords}
            inspect.signature(OPERATORS[name]).bind(*call.args, **given)


@pytest.mark.parametrize("library", LIBRARIES)
def test_all_that_a_library_names_ends_in_served_operators(library):
    pytest.importorskip(library)
    named = {*named_by(library)}
    assert named
    missing = {}
    for module, name in named:
        operators = operators_of(module, name) - {*OPERATORS} - NOT_REACHED.get(name, set())
        if operators:
            missing[name] = operators
    assert not missing


def test_the_reading_finds_what_is_known():
    assert operators_of("multi_scale_deform_attn", "MultiScaleDeformableAttention") == {
        "ms_deform_attn_forward",
        "ms_deform_attn_backward",
    }
    assert operators_of("nms", "batched_nms") == {"nms"}  # others by a text in a config
    assert operators_of("nms", "soft_nms") == {"softnms"}
    assert operators_of(*registered()["nms_rotated"]) == {"nms_rotated"}
    assert "indice_conv_forward" in operators_of("sparse_conv", "SparseConv2d")
    assert registered()["MMSyncBN"] == ("sync_bn", "SyncBatchNorm")
