"""The characters of the font Symbol, which files call by codes that mean other letters elsewhere."""

from __future__ import annotations

from typing import Final

from bioresearcher.text.visible import LOST

_SYMBOL_LETTERS: Final = (
    " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧ∆ΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼"
    + LOST * 33
    + "€ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪\ufffd〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭"
)
SYMBOL: Final = {
    first + n: letter for first in (32, 0xF020) for n, letter in enumerate(_SYMBOL_LETTERS) if letter != LOST
}
"""The characters of the font Symbol by their codes, which begin at 0 or at F000."""
