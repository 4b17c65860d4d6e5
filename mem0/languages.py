"""What little the library knows of languages: letters without their marks, and which words are grammar.

The lists are of the commonest words, by hand; what they are for forgives one that is missing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

#: Scripts written without spaces, for a class of a regular expression: Han (with extensions and compatibility forms),
#: Hiragana, Katakana, Thai; and Hangul, whose particles cling to the words.
UNSPACED = (
    "\u0e00-\u0e7f\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)

#: For a class as well: the vowel signs of the scripts of India, which are no letters to a regular expression.
VOWEL_SIGNS = "\u0900-\u0963\u0970-\u0dff"

# The marks of Latin, Greek and Cyrillic letters, and the points of Hebrew and Arabic, which are mostly not written.
# Those of kana, Thai and the rest stay: か is not が.
_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
# Letters that no normal form takes apart.
_WHOLE = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})

# Putting marks in their order takes a time that grows with the square of how many stand in a row.
_MANY_MARKS = re.compile(r"([^\x00-\x7f\w\u034f]{1000})\u034f?")

_NOT_ENGLISH = re.compile(rf"[^\x00-\x7f\W{UNSPACED}]|[\u0300-\u036f]")


def normalized(form: Literal["NFKC", "NFKD"], text: str) -> str:
    """Return a text's Unicode normal form; a row of a thousand marks is cut by U+034F, which is nothing by itself."""
    return unicodedata.normalize(form, _MANY_MARKS.sub("\\1\u034f", text))


def folded(text: str) -> str:
    """Return a text in lower case, its letters in one width and without accents."""
    if text.isascii():
        return text.lower()
    apart = _MARKS.sub("", normalized("NFKD", text))
    return normalized("NFKC", apart).casefold().translate(_WHOLE)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", folded(text)))


#: Words that say nothing of what a text is about: in English,
ENGLISH = _words(
    """
    a about all am an and any are as at be been being but by can could d did do does doing for from had has have
    having he her here hers him his how i if in into is it its ll m may me might must my no not of on or our ours re
    s shall she should so some such t than that the their theirs them then there these they this those to us ve was
    we were what when where which who whom whose why will with would you your yours
    """
)
#: and in other languages with spaces between words: German, French, Spanish, Italian, Portuguese, Dutch; the very
#: commonest of Swedish, Danish, Norwegian, Polish and Turkish.  Not as, at, do, for, i, is,
#: of and to, which say more of English.
OTHERS = _words(
    """
    aber als am an auch auf aus bei bin bis bist da das dann dass dein deine dem den der des die dich dir doch du durch
    ein eine einem einen einer eines er es für gegen haben hast hat hatte ich ihm ihn ihnen ihr ihre im in ist ja kann
    kein keine können mein meine mich mir mit nach nicht noch nur ob oder schon sehr sein seine seit sich sie sind so
    über um und uns unser unsere vom von wann war waren warum was welche welchem welchen welcher welches wem wen wenn
    wer werden wie wieder wieso will wir wird wo woher wohin worden wurde wäre zu zum zur

    ai au aux avec ce ces cet cette chez comme comment d dans de des du elle en es est et eu il ils je la le les leur
    lui ma mais me mes moi mon ne nos notre nous on ont ou où par pas pour pourquoi qu quand que quel quelle quelles
    quels qui quoi sa se ses son sont suis sur ta te tes toi ton très tu un une vos votre vous y à était être

    al como con cuando cuál cuándo cuánto cómo de del donde dónde el ella ellos en es esta esto estoy está este fue ha
    han hay he la las le lo los me mi mis muy más nos o para pero por porque qué quién se ser si sin sobre son soy su
    sus también te tu un una uno y ya yo

    alla anche che chi ci con cosa da dal del della delle di dove e gli ha ho il in io lei mi mia mio nel nella non
    per perché più quale quando questa questo sei si sono sul un una è

    a ao com da das de dos e ela ele em eu foi já mas me meu minha muito na nas no nos não o onde os para por
    quando que quem se sua são também um uma você

    aan ben bij dat de deze die dit een en er geen haar heb hebben heeft het hij hoe ik in je jij kan maar meer
    mijn naar niet nog om ook op te uit van voor waar wanneer waarom was wat welke wie wij worden wordt ze zijn

    att av den det du en er ett från har hur ikke inte jag jeg med men min mig när och på som till vad var vi är
    być czy dla jak jest mnie na nie od po się za ale bir bu çok için mi ne ve
    """
)
_TELL_ENGLISH, _TELL_OTHERS = ENGLISH - OTHERS, OTHERS - ENGLISH

_HIRAGANA = re.compile("[\u3040-\u309f]")
_CHINESE_GRAMMAR = re.compile(
    "[的了着著过過吗嗎呢吧啊么麼什怎哪谁誰几幾多少是在有和与與就都也很还還会會要想给給跟把被让讓对對从從到得为為或而之"
    "个個这這那我你您他她它们們样樣]"
)
# Words, not all that is written in Hiragana: many nouns are.  The longest first, since the first that fits is taken.
_JAPANESE_GRAMMAR = re.compile(
    "|".join(
        sorted(
            _words(
                """
                です ます ました ません でした でしょう だった だって だろう して した してい していた している されて
                された される させ しまっ しまった という といっ いって いた いる ある あった あり なった なって なる
                ない なかった から まで より など だけ ほど くらい ぐらい ので のに のは のが のを には では とは にも
                でも ても ては こと もの とき ところ ため よう そう らしい みたい どこ どの どれ どんな どう どうやって
                いつ いくら いくつ だれ なに なん なぜ さん くん ちゃん たち ください くれ もらっ もらう あげ それ これ
                あれ その この あの ここ そこ あそこ かな よね だよ んだ って れた れる られ られた られる てい てる
                """
            ),
            key=len,
            reverse=True,
        )
    )
)


def is_english(text: str, words: Sequence[str]) -> bool | None:
    """Tell whether a text is English rather than another language; ``None`` where nothing tells.

    Args:
        text: The text.
        words: Its words, folded.
    """
    english, others = (sum(map(known.__contains__, words)) for known in (_TELL_ENGLISH, _TELL_OTHERS))
    if english or others:
        return english >= others
    return False if _NOT_ENGLISH.search(text) else None


def without_grammar(run: str) -> str:
    """Return a run of Chinese or Japanese characters with a space in the place of each one that is grammar."""
    grammar = _JAPANESE_GRAMMAR if _HIRAGANA.search(run) else _CHINESE_GRAMMAR
    return grammar.sub(lambda match: " " * len(match[0]), run)
