"""A made-up folder of the game Wesnoth, laid out as its package is: macros, units, pictures, sounds."""

import numpy as np
from PIL import Image

from conftest import save_wav

MACROS = """#textdomain wesnoth
# A comment with {NOTHING_IN_IT and a "quote
#define SOUND_LIST:CRY
cry-[1~2].wav #enddef

#define STRIKE IMAGE SOUND
#arg TIMES
[75,50]#endarg
    # says "how"
    [if]
        hits=yes
        [frame]
            image={IMAGE}-hit-[1~3].png:75,{IMAGE}-hit-4.png:{TIMES}
            sound={SOUND}
        [/frame]
    [/if]
    [else]
        hits=no
        [frame]
            image={IMAGE}-miss-[1~9].png:75
        [/frame]
    [/else]
#enddef
"""
UNIT = """#textdomain wesnoth-units
#ifdef UNUSED
[unit_type]
    id=Nobody
[/unit_type]
#endif
#define PATH
units/{folder}/#enddef

[unit_type]
    id={name}
    name= _ "female^{name}"  # wmllint: no spellcheck
    race={race}
    image="{{PATH}}{stem}.png~RC(magenta>red)"
    hitpoints={hitpoints}
    movement_type=smallfoot
    movement=5
    level=1
    cost={cost}
    alignment=lawful
    usage=fighter
    description= _ "The {name} says ""no"" # always." + _ " Two
lines, " +
        "{race}."
    die_sound={{SOUND_LIST:CRY}}
    {{UNKNOWN_TRAIT (some [thing]) }}
    [attack]
        name=sword
        type=blade
        range=melee
        damage=3
        number=2
    [/attack]
    [attack]
        name=axe
        type=impact
        range=melee
        damage=7
        number=1
        [specials]
            [slow]
            [/slow]
        [/specials]
    [/attack]
    [attack_anim]
        [filter_attack]
            name=sword
        [/filter_attack]
        {{STRIKE "{{PATH}}{stem}" lost.wav,blow.wav}}
    [/attack_anim]
    [death]
        [frame]
            image="{{PATH}}{stem}-die-[1~4,2*2].png:[100*2,50,60~70]~O(50%)"
        [/frame]
    [/death]
[/unit_type]
#undef PATH
"""
RANGED = """
[unit_type]
    id=Caster
    race=elf
    image=units/elf/elf0.png
    cost=20
    [attack]
        type=fire
        range=ranged
        damage=4
        number=3
    [/attack]
[/unit_type]
[unit_type]
    id=Old Caster
    cost=30
    [base_unit]
        id=Caster
    [/base_unit]
[/unit_type]
[unit_type]
    id=Ghost
    do_not_list=yes
[/unit_type]
"""
RACES = ("elf", "orc", "troll")


def draw(root, each=3):
    """Writes ROOT/usr/... with `each` units of three races; gives data/core."""
    core = root / "usr/share/games/wesnoth/1.16/data/core"
    (core / "sounds").mkdir(parents=True)
    save_wav(core / "sounds/blow.wav", np.arange(800, dtype="<i2"))
    write(core / "macros/all.cfg", MACROS)
    write(core / "units.cfg", "[units]\n    {core/units/elf/}\n[/units]\n")
    write(root / "usr/share/doc/wesnoth-1.16-data/copyright", "GPL")
    for race in RACES:
        for number in range(each):
            stem = f"{race}{number}"
            write(core / f"units/{race}/{stem}.cfg",
                  UNIT.format(name=stem.capitalize(), race=race, folder=race, stem=stem, hitpoints=20 + number,
                              cost=10 + number))
            for end in ("", *(f"-hit-{i}" for i in range(1, 5)), *(f"-die-{i}" for i in range(1, 5))):
                path = core / f"images/units/{race}/{stem}{end}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGBA", (6, 6), (10 * number, len(end), 0, 255)).save(path)
    write(core / "units/elf/zcaster.cfg", RANGED)
    return core


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
