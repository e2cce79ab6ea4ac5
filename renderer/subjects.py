"""Which scene a prompt asks for: the words of every scene, in English and Chinese.

Pure Python: a web page imports this to say before the button what will be drawn, and the plan
imports it to draw exactly that.  The answer depends on prompt and type alone, never on the seed.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

# Order breaks ties: a material ("strawberry soap") goes before the fruit that only describes it.
SCENES = ("soap", "slime", "honey", "sand", "ice", "keyboard", "planet", "fruit", "rain")
NAMED, WEAK, HINT = 2.0, 1.0, 1.0
TYPE_WEIGHT = 1.5  # the chosen type counts more than a weak word, less than a subject in the text


@dataclass(frozen=True)
class Subject:
    """What will be drawn.  `recognised` is False when nothing named a subject we can show."""

    scene: str
    variant: str
    recognised: bool


@dataclass(frozen=True)
class Words:
    """Space separated: `named` and `weak` name the subject, `hints` only lean towards it.

    Weak words often mean something else (orange is a colour too), so they give way to named ones.
    """

    named: str
    weak: str = ""
    hints: str = ""


# kind of fruit -> strong words, weak words; the first match wins, strong ones before weak ones
FRUITS: dict[str, tuple[str, str]] = {
    "strawberry": ("strawberry 草莓 raspberry 树莓 cherry 樱桃", ""),
    "orange": ("tangerine mandarin grapefruit 橙子 橘子 柚 柑", "orange 橙 橘"),
    "kiwi": ("kiwi 猕猴桃 奇异果", ""),
    "lemon": ("", "lemon lime 柠檬 青柠"),
    "watermelon": ("watermelon melon 西瓜 哈密瓜", ""),
    "mango": ("mango 芒果", "peach 桃"),
    "grape": ("grape 葡萄 blueberry 蓝莓", "plum 李子"),
    "apple": ("apple 苹果 pear 梨", ""),
}
ANY_FRUIT = tuple(FRUITS)[:5]  # drawn when the prompt says no more than "fruit"

WORDS: dict[str, Words] = {
    "soap": Words("soap soapy 肥皂 香皂 皂", "", "wax clay foam butter 蜡块 黏土 黄油"),
    "slime": Words(
        "slime slimy goo putty 史莱姆 粘液 黏液 起泡胶 鬼口水 水晶泥",
        "",
        "jelly stretch stretched fold folded 果冻 拉伸 揉捏",
    ),
    "honey": Words(
        "honey syrup caramel 蜂蜜 糖浆 焦糖",
        "",
        "pour poured pouring drip dripping drizzle chocolate maple 倒入 浇 巧克力",
    ),
    "sand": Words("sand 沙", "", "kinetic crunch crunchy crumble crumbling grain 颗粒"),
    "ice": Words("ice 冰", "", "icy frozen frost crystal quartz gem 霜 冻"),
    "keyboard": Words(
        "keyboard keycap typing 键盘 键帽 打字", "", "typewriter key mechanical switch 机械 按键"
    ),
    "planet": Words(
        "planet 星球 行星 地球",
        "earth moon mars jupiter 月球 火星 木星",
        "world globe lava magma volcano 岩浆 熔岩 火山",
    ),
    "fruit": Words(
        "fruit 水果 " + " ".join(strong for strong, _ in FRUITS.values()),
        " ".join(weak for _, weak in FRUITS.values()),
        "glass crystal 玻璃 水晶",
    ),
    "rain": Words(
        "rain rainy raining rainfall raindrop rainstorm thunderstorm 雨",
        "candle candlelight storm 蜡烛 烛",
        "window bokeh thunder drizzle fireplace 窗 雷 光斑 壁炉",
    ),
}
# Phrases that hold a subject's name and mean something else
NOT_SUBJECTS = re.compile(
    r"\b(?:ice[ -](?:cream|cold)|rain[ -]?(?:forest|coat)s?|piano keyboards?|earth tones?"
    r"|(?:cherry|apple|pear)[ -]?wood|(?:lemon|lime|apple|cherry|peach|plum|orange|strawberry|honey"
    r"|sand)[ -](?:yellow|green|red|pink|purple|colou?r(?:ed)?|tinted|scented|blonde?))\b"
    r"|[橙橘桃沙]色|[橙橘][红黄]|桃红|柠檬[黄色]|苹果绿|葡萄紫|樱桃红|蜂蜜色|冰蓝"
    r"|冰[淇激]淋|冰凌花|冰[冷凉箱]|沙沙|沙[发拉滩漠哑]|雨[伞林衣]|窗帘|花梨|樱桃木|桃[花木]"
)

# Catalogue types that a scene really shows -> scene, variant ("" = as the prompt says)
SHOWN: dict[str, tuple[str, str]] = {
    "glass-fruit": ("fruit", ""),
    "soap-layers": ("soap", "layers"),
    "kinetic-sand": ("sand", ""),
    "slime": ("slime", ""),
    "honey-drip": ("honey", ""),
    "ice-cut": ("ice", ""),
    "planet-cut": ("planet", ""),
    "keyboard": ("keyboard", ""),
    "rain-window": ("rain", ""),
}
# Types without a scene of their own -> the nearest in mood; drawn, and said to be a stand-in
NEAREST: dict[str, str] = {
    type_id: scene
    for scene, types in {
        "fruit": "crystal-cut fruit-real frozen-berries jelly",
        "soap": "soap-shave gold-bar candle-wax chocolate-snap clay-press wood-carve metal-cut",
        "sand": "floral-foam bread-crust scratching makeup-brush bead-pour",
        "slime": "sponge-squeeze paint-mix carpet-clean",
        "honey": "honeycomb lava-spread cooking-sizzle",
        "ice": "ice-crystal stone-crystal",
        "planet": "lava-cut hot-metal",
        "keyboard": "tapping-wood tapping-glass tapping-metal writing page-turn unwrapping",
        "rain": "brushing-mic hair-brush rain-umbrella ocean stream fireplace fan-noise"
        " pressure-wash",
    }.items()
    for type_id in types.split()
}
FALLBACKS = ("fruit", "honey", "sand", "rain")


def describe(prompt: str, kind: str = "") -> Subject:
    """What will be drawn for a prompt and a catalogue type (or scene) id.

    The strongest subject named by text or type wins.  When none is named: the scene nearest to the
    type, then what the words hint at, then one picked by the text; all of them unrecognised.
    """
    text, kind = plain(prompt), kind.strip().lower()
    shown, wanted = SHOWN.get(kind, (kind if kind in SCENES else "", ""))
    scores = {scene: _score(text, WORDS[scene]) for scene in SCENES}
    named = {scene: sum(score) for scene, score in scores.items() if score[0]}
    if shown:
        named[shown] = sum(scores[shown]) + TYPE_WEIGHT
    if named:
        scene = max(SCENES, key=lambda scene: named.get(scene, 0.0))
        return Subject(scene, _variant(scene, text, kind, wanted if scene == shown else ""), True)
    hinted = max(SCENES, key=lambda scene: scores[scene][1])
    scene = NEAREST.get(kind) or (hinted if scores[hinted][1] else "")
    scene = scene or FALLBACKS[digest(f"{text} {kind}") % len(FALLBACKS)]
    return Subject(scene, _variant(scene, text, kind, ""), False)


def plain(text: str) -> str:
    """Lower case, full-width letters as plain ones."""
    return unicodedata.normalize("NFKC", text).lower()


def digest(text: str) -> int:
    """A stable number 0 .. 2**32 - 1 for a text."""
    return int.from_bytes(hashlib.sha256(text.encode(errors="replace")).digest()[:4], "little")


def count_words(text: str, vocabulary: str) -> int:
    """How many words of the vocabulary are in the (plain) text.

    English words match whole, plural too ("mars" is not in "marshmallow"); Chinese ones anywhere.
    """
    return sum(_has(text, word) for word in vocabulary.split())


def _score(text: str, words: Words) -> tuple[float, float]:
    """Weight of the strongest word that names the subject, and of those that hint at it."""
    text = NOT_SUBJECTS.sub(" ", text)
    named, weak = count_words(text, words.named), count_words(text, words.weak)
    name = NAMED if named else WEAK if weak else 0.0  # many fruits count no more than one
    return name, HINT * count_words(text, words.hints)


def _has(text: str, word: str) -> bool:
    if not word.isascii():
        return word in text
    if word not in text and word[:-1] not in text:  # cheap, and nearly always the end of it
        return False
    stem = rf"{re.escape(word[:-1])}(?:y|ies)" if word.endswith("y") else rf"{re.escape(word)}s?"
    return re.search(rf"\b{stem}\b", text, re.ASCII) is not None


def _variant(scene: str, text: str, kind: str, wanted: str) -> str:
    if wanted:
        return wanted
    if scene == "fruit":
        text = NOT_SUBJECTS.sub(" ", text)
        for strength in (0, 1):
            for fruit, words in FRUITS.items():
                if count_words(text, words[strength]):
                    return fruit
        return ANY_FRUIT[digest(f"{text} {kind}") // 7 % len(ANY_FRUIT)]
    if scene == "rain":
        lit = count_words(text, "candle candlelight fireplace 蜡烛 烛 壁炉") or kind == "fireplace"
        return "candle" if lit else "street"
    if scene == "soap":
        layered = count_words(text, "layer layered stripe striped rainbow 层 条纹 彩虹")
        return "layers" if layered else "marble"
    return ""
