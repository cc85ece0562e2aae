"""The paper's classification data: ten synsets of ImageNet-1K, moved, cropped and varied.

:mod:`.source` finds the images, :mod:`.plan` decides what is made of each, :mod:`.images`
does it to one, and :mod:`.build` to all of them.
"""
