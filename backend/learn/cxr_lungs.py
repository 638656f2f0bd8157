"""Train CXR_LUNGS: first on phantoms alone, then on phantoms and real radiographs with masks.

    python -m backend.learn.cxr_lungs --data FOLDER --held-out FOLDER --out assets/cxr_lungs

Patients are split, never images: some are kept to validate, and no patient of the held-out folder is learned from.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from backend.domain.errors import UserError
from backend.experts.cxr_lungs import CLASSES, SIDE, load_network, lung_fields, scaled
from backend.learn.cxr_cases import Case, Record, empty_cases, grey, phantom_case, read_case, records
from backend.measure.dice import dice

BATCH = 8
LEARNING_RATE = 3e-3
PHANTOM_STEPS = 0.2  # share of the steps on phantoms alone


@dataclass(frozen=True)
class Settings:
    """One training run; the same settings on the same machine give the same weights."""

    data: Path
    out: Path
    held_out: Path | None = None
    steps: int = 2000
    phantoms: int = 120
    seed: int = 0
    validation: float = 0.2  # share of the patients


@dataclass(frozen=True)
class Split:
    """Radiographs to learn from, to validate on, and those left out because their patient is held out."""

    learn: list[Record]
    validate: list[Record]
    left_out: int


@dataclass
class Figures:
    """Dice of both lungs together, by file name; 0 where the expert refused the image."""

    scores: dict[str, float] = field(default_factory=dict)

    def summary(self) -> str:
        if not self.scores:
            return "no images"
        v = np.array(list(self.scores.values()))
        return f"mean Dice {v.mean():.3f}, SD {v.std():.3f}, lowest {v.min():.3f}, n = {v.size}"


def split(everything: list[Record], held_out: set[str], share: float, seed: int) -> Split:
    """Divide by patient. One patient at least learns and, when `share` is above 0 and there are two, one validates."""
    usable = [record for record in everything if record.patient not in held_out]
    if not usable:
        raise UserError("No radiograph is left to learn from", "every patient is held out", "Give other data")
    patients = sorted({record.patient for record in usable})
    order = np.random.default_rng(seed).permutation(len(patients))
    count = min(max(1, round(share * len(patients))), len(patients) - 1) if share > 0 else 0
    chosen = {patients[n] for n in order[:count]}
    return Split(
        [record for record in usable if record.patient not in chosen],
        [record for record in usable if record.patient in chosen],
        len(everything) - len(usable),
    )


def train(settings: Settings) -> Path:
    """Run the whole recipe; returns the weights file written under settings.out."""
    from safetensors.torch import save_file

    others = records(settings.held_out) if settings.held_out else []
    parts = split(records(settings.data), {r.patient for r in others}, settings.validation, settings.seed)
    _say(f"{len(parts.learn)} radiographs to learn from, {len(parts.validate)} to validate, {parts.left_out} left out")
    phantoms = []
    for n in range(settings.phantoms):
        phantoms.append(phantom_case(10_000 + settings.seed + n))
        if n % 40 == 39:
            _say(f"phantom {n + 1} of {settings.phantoms}")
    real = [read_case(record) for record in parts.learn]
    random = np.random.default_rng(settings.seed)
    empty = list(empty_cases(real, max(5, len(real) + len(phantoms)), random))
    weights = _fit(real, phantoms, empty, settings)
    settings.out.mkdir(parents=True, exist_ok=True)
    file = settings.out / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, str(file))
    file.chmod(0o644)  # safetensors makes it private to its owner
    validation, held_out = measure(parts.validate, file), measure(others, file)
    _say(f"validation: {validation.summary()}\nheld out: {held_out.summary()}")
    (settings.out / "card.md").write_text(_card(settings, parts, validation, held_out), encoding="utf-8")
    return file


def _fit(real: list[Case], phantoms: list[Case], empty: list[Case], settings: Settings) -> dict[str, Any]:
    """Optimise, and return the moving average of the weights, which is steadier than the last ones."""
    import torch

    from backend.experts.unet import UNet
    from backend.learn.cxr_augment import augmented

    torch.manual_seed(settings.seed)
    random = torch.Generator().manual_seed(settings.seed)
    choose = np.random.default_rng(settings.seed + 1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = UNet(CLASSES).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, settings.steps + 1, pct_start=0.1)
    average = {name: value.detach().clone() for name, value in network.state_dict().items()}
    for step in range(settings.steps):
        drawn = _draw(real, phantoms, empty, step < PHANTOM_STEPS * settings.steps, choose)
        pictures = torch.from_numpy(np.stack([case.picture for case in drawn]))[:, None]
        labels = torch.from_numpy(np.stack([case.labels for case in drawn]).astype(np.int64))
        one_hot = torch.nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
        pictures, one_hot = augmented(pictures, one_hot, SIDE, random)
        loss = _loss(network(pictures.to(device)), one_hot.to(device))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        rate.step()
        keep = min(0.99, step / (step + 10))
        for name, value in network.state_dict().items():
            average[name].lerp_(value.detach(), 1 - keep)
        if step % 25 == 0 or step == settings.steps - 1:
            _say(f"step {step + 1} of {settings.steps}, loss {float(loss.detach()):.3f}")
    return {name: value.cpu() for name, value in average.items()}


def _draw(
    real: list[Case], phantoms: list[Case], empty: list[Case], early: bool, choose: np.random.Generator
) -> list[Case]:
    """A batch: one or two pictures without a chest; the others phantoms while early, later three of four real."""
    batch = [empty[choose.integers(len(empty))] for _ in range(int(choose.integers(1, 3)))]
    while len(batch) < BATCH:
        pool = phantoms if phantoms and (early or choose.random() < 0.25) else real
        batch.append(pool[choose.integers(len(pool))])
    return batch


def _loss(logits: Any, target: Any) -> Any:
    """Cross-entropy with soft labels plus soft Dice of each lung."""
    import torch

    entropy = torch.nn.functional.cross_entropy(logits, target)
    found, wanted = logits.softmax(1)[:, 1:], target[:, 1:]
    overlap = 2 * (found * wanted).sum((0, 2, 3)) + 1
    return entropy + (1 - overlap / (found.sum((0, 2, 3)) + wanted.sum((0, 2, 3)) + 1)).mean()


def measure(held: list[Record], weights: Path) -> Figures:
    """Dice at full resolution through the expert's own code; each image's figure goes to standard error."""
    network = load_network(weights)
    figures = Figures()
    for record in held:
        try:
            fields = lung_fields(scaled(grey(record.image)), network)
            value = dice(fields.right | fields.left, grey(record.mask) > 127)
        except UserError as refusal:
            _say(f"{record.image.name}: {refusal}")
            value = 0.0
        figures.scores[record.image.name] = value
        _say(f"{record.image.name}: {value:.3f}")
    return figures


def _card(settings: Settings, parts: Split, validation: Figures, held_out: Figures) -> str:
    """The model card in Markdown, with the figures of this run."""
    used = parts.learn + parts.validate
    licences = ", ".join(f"{count} under {name}" for name, count in sorted(Counter(r.licence for r in used).items()))
    sources = "\n".join(f"- {count} from {name}" for name, count in Counter(r.source for r in used).most_common())
    people = len({r.patient for r in parts.learn}), len({r.patient for r in parts.validate})
    rows = "\n".join(f"| {name} | {value:.3f} |" for name, value in sorted(held_out.scores.items()))
    return CARD_TEXT.format(
        learn=len(parts.learn), learn_patients=people[0], validate=len(parts.validate), validate_patients=people[1],
        left_out=parts.left_out, phantoms=settings.phantoms, steps=settings.steps, seed=settings.seed, side=SIDE,
        licences=licences, sources=sources, validation=validation.summary(), held_out=held_out.summary(), rows=rows,
    )  # fmt: skip


CARD_TEXT = (Path(__file__).parent / "cxr_lungs_card.md").read_text(encoding="utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend.learn.cxr_lungs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        required=True,
        help="folder with images/, masks/ and metadata.json (filename, patientid, license)",
    )
    add("--out", type=Path, required=True, help="folder for weights.safetensors and card.md")
    add(
        "--held-out",
        type=Path,
        help="a second such folder: its patients are never learned from, only measured at the end",
    )
    add("--steps", type=int, default=Settings.steps, help="batches of 8; 2000 take about fifteen minutes on one core")
    add("--phantoms", type=int, default=Settings.phantoms, help="computed radiographs to learn from")
    add(
        "--validation",
        type=float,
        default=Settings.validation,
        help="share of patients kept to validate; 0 learns from all",
    )
    add("--seed", type=int, default=Settings.seed, help="fixes the split, the phantoms and every random change")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit status."""
    given = _arguments().parse_args(arguments)
    try:
        file = train(
            Settings(given.data, given.out, given.held_out, given.steps, given.phantoms, given.seed, given.validation)
        )
    except UserError as error:
        _say(str(error))
        return 2
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
