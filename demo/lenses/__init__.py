"""What the evidence page can show of one x: a lens is a question, its equation with numbers, a figure, a caption.

Each module has `FIELDS`, the choices it keeps in the address, `show(view)`, and `receipts(view)` of its numbers. Knows
nothing of where the x came from.
"""
