# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Pre-training a pair of encoders, in a minute
#
# The whole path from nothing to weights of your own, at the smallest size at which something is learned:
# synthetic formulas of one variable with their data, a pair of small encoders, contrastive training,
# retrieval before and after, weights on disk. `pretrain/snip.py` does the same from the command line, for
# hours and on many processors. It needs the extra `train`.

# %%
# %matplotlib inline
import contextlib
import io
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from symnum import SNIPEmbedder
from symnum.training.pretraining import build_trainer, pretrain
from symnum.training.settings import DataSettings, Settings

out = Path("runs/tiny")
shutil.rmtree(out, ignore_errors=True)  # a run goes on where it stopped; here it shall begin

# %% [markdown]
# ## Settings
#
# A run is described by plain settings, as in the YAML files under `pretrain/configs`: the model's size,
# which formulas, and arguments of the `Trainer` of transformers.

# %%
settings = Settings(
    name="tiny",
    model={
        "width": 32, "heads": 2, "hidden": 64, "latent": 32, "symbolic_layers": 2, "numeric_layers": 2,
        "reads": 1, "inducing_points": 8,
    },
    data=DataSettings(max_dim=1, n_points=48, rows=(24, 48), batch_size=128, held_out=512),
    training={
        "max_steps": 500, "warmup_steps": 50, "learning_rate": 0.01, "eval_steps": 100, "save_steps": 250,
        "logging_steps": 10, "dataloader_num_workers": 0, "report_to": [], "use_cpu": True,
    },
)  # fmt: skip

# %% [markdown]
# What is one sample? A formula, 48 points of it, and the formula as the words a network reads.

# %%
generator = settings.data.generator()
batch = generator.batch(0, 6)
for i in range(6):
    y = batch.y[i, : batch.rows[i]]
    print(f"{batch.expression(i)!s:45}  y from {y.min():.3g} to {y.max():.3g}")

# %% [markdown]
# ## Before
#
# 512 formulas are held out: none of them (nor another spelling of the same function) occurs in training. The
# encoders with random weights find the partner among them no more often than chance, once in 512.

# %%
trainer = build_trainer(settings, out)
quiet = contextlib.redirect_stdout(io.StringIO())  # the Trainer prints a line for every measurement
with quiet:
    before = trainer.evaluate()
print(f"{sum(p.numel() for p in trainer.model.parameters()):,} parameters")

# %% [markdown]
# ## Training

# %%
with quiet:
    after = pretrain(settings, out)
print(f"{after['pairs']:,} pairs in {3600 * after['hours']:.0f} s")

# %%
names = {"eval_r1_data_512": "R@1, formula given", "eval_r10_data_512": "R@10, formula given",
         "eval_r1_formula_512": "R@1, data given", "eval_r10_formula_512": "R@10, data given"}  # fmt: skip
pd.DataFrame(
    {"before (%)": [100 * before[n] for n in names], "after (%)": [100 * after[n] for n in names]},
    index=names.values(),
).round(1)

# %%
curve = pd.read_csv(out / "curve.csv")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
loss = curve.dropna(subset="loss")
left.plot(loss["step"], loss["loss"], color="#0072b2")
left.axhline(np.log(settings.data.batch_size), color="#6b7280", linestyle="--", linewidth=1)
left.text(loss["step"].max(), np.log(settings.data.batch_size), "guessing", ha="right", va="bottom")
left.set(xlabel="step", ylabel="contrastive loss")
measured = curve.dropna(subset="eval_r1_data_512")
for name, colour in (("eval_r1_data_512", "#d55e00"), ("eval_r10_data_512", "#009e73")):
    right.plot(
        [0, *measured["step"]],
        [100 * before[name], *(100 * measured[name])],
        "o-",
        color=colour,
        label=names[name],
    )
right.set(xlabel="step", ylabel="% of 512 held-out pairs", ylim=(0, None))
right.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What a run leaves
#
# Checkpoints to go on from, measures, and `weights`: safetensors in half precision, `config.json`, the
# tokenizer, and a model card written from the settings and measures. Calling `pretrain` again with more
# steps goes on from the last checkpoint.

# %%
for path in sorted((out / "weights").iterdir()):
    print(f"{path.name:20} {path.stat().st_size:>9,} bytes")
with quiet:
    longer = pretrain(replace(settings, training={**settings.training, "max_steps": 520}), out)
print(f"{after['steps']} steps, then {longer['steps']}")

# %% [markdown]
# The folder is all that `SNIPEmbedder` needs. A minute teaches the coarse features of a curve; take none of
# its answers for granted.

# %%
embedder = SNIPEmbedder(out / "weights")
x = np.linspace(-3, 3, 100)
for name, y in (("parabola", x**2 - 1), ("wave", np.sin(2 * x)), ("growth", np.exp(x))):
    best = embedder.nearest(x, y, ["x0**2", "sin(2*x0)", "exp(x0)", "x0", "1/x0"], k=1)[0]
    print(f"{name}: nearest is {best.equation} ({best.similarity:.2f})")

# %%
shutil.rmtree(out)

# %% [markdown]
# The shipped weights are 33 times as large and saw 32 times as many pairs; their card is under
# *Explanation*. To train such:
#
# ```
# python pretrain/snip.py --config pretrain/configs/snip-small.yaml --out runs/snip-small
# ```
