"""The page of ``mmresneskt serve``; it needs Gradio."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from .shown import Seen, Shown, look

KEPT_SECONDS = 300
"""How long a file of the page is kept: an upload may wait for others that were before it."""

_INTRODUCTION = """# What the model sees
Drop an image: **boxes** are what the model finds in it. Below them, one column for each stage of
the network: where its **spatial attention** strengthens (above 1) or weakens (below 1) what it
sees, and how much each **kernel size** counts there, the largest share in colour.
"""


def build_page(models: Sequence[Shown], examples: Sequence[Path]) -> gr.Blocks:
    """The page, not served yet.

    All models look at an image in one go, one image at a time. Files of the page, uploads among
    them, are deleted after ``KEPT_SECONDS``.

    Args:
        examples: images to look at where there is nothing else.
    """

    def answer(path: Path) -> list:
        message, seen, maps = look(models, path)
        return [None, message, seen, *(m for m, model in zip(maps, models) if not model.silent)]

    def upload(path: str) -> list:
        return answer(Path(path))

    def example(chosen: gr.SelectData) -> list:
        return answer(examples[chosen.index])

    def draw(seen: Sequence[Seen] | None, threshold: float) -> list:
        if seen is None:
            return [None, ""] * len(models)
        return [part for s, model in zip(seen, models) for part in model.draw(s, threshold)]

    found: list[gr.Component] = []
    attention: list[gr.Component] = []
    still: dict = dict(show_label=False, interactive=False, format="png", buttons=["fullscreen"])
    with gr.Blocks(
        title="mmresneskt", analytics_enabled=False, delete_cache=(60, KEPT_SECONDS)
    ) as page:
        gr.Markdown(_INTRODUCTION)
        kept = gr.State()
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                file = gr.File(label="Drop an image", height=150, elem_id="upload")
                name = gr.Textbox(label="Image", interactive=False, elem_id="name")
                threshold = gr.Slider(0, 1, 0.3, step=0.01, label="Lowest score of a box")
                gr.HTML("No image at hand? Take a generated one:")
                gallery = gr.Gallery(
                    [str(path) for path in examples],
                    columns=len(examples),
                    height=150,
                    allow_preview=False,
                    show_label=False,
                    buttons=[],
                    elem_id="examples",
                )
            for number, model in enumerate(models):
                with gr.Column(scale=2):
                    words = gr.Textbox(
                        label=f"Found by {model.title}",
                        lines=3,
                        max_lines=3,
                        interactive=False,
                        elem_id=f"found-{number}",
                    )
                    picture = gr.Image(height=420, elem_id=f"boxes-{number}", **still)
                    found += [picture, words]
        for number, model in enumerate(models):
            label = f"Spatial attention of {model.title}"
            if model.silent:
                gr.Textbox(model.silent, label=label, interactive=False)
            else:
                gr.HTML(f"<b>{html.escape(label)}</b>")
                attention.append(gr.Image(elem_id=f"attention-{number}", **still))
        one: dict = dict(
            outputs=[file, name, kept, *attention],
            show_progress_on=[*found[::2], *attention],
            trigger_mode="multiple",
            concurrency_limit=1,
            concurrency_id="models",
            api_visibility="private",
        )
        redraw: dict = dict(
            fn=draw,
            inputs=[kept, threshold],
            outputs=found,
            show_progress="hidden",
            api_visibility="private",
        )
        file.upload(upload, file, **one).then(**redraw)
        gallery.select(example, None, **one).then(**redraw)
        threshold.change(**redraw)
    return page
