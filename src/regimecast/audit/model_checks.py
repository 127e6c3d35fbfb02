"""Checks that need a trained model, all on one brief training."""

from regimecast.audit.autograd import gradient_checks
from regimecast.audit.canaries import canary_checks
from regimecast.audit.fills import fill_checks
from regimecast.audit.findings import Check, NotAudited
from regimecast.audit.ledger import Ledger
from regimecast.audit.perturbation import Kind
from regimecast.audit.predictions import EPOCHS, prediction_checks
from regimecast.audit.rehearsal import model_component, rehearse
from regimecast.audit.subject import Subject

__all__ = ["MODEL_CHECKS", "ModelCheck"]

_CUTS = 2


class ModelCheck:
    """What a model learns and forecasts, and what its forecasts earn, on one fold."""

    name = "model"

    def run(self, subject: Subject) -> tuple[list[Check], list[NotAudited]]:
        """Weights, forecasts, gradients, fills and canaries of the config's model."""
        ledger = Ledger(self.name)
        found: list[Check | NotAudited] = []
        fold = subject.model_fold()
        with ledger.attempt(model_component(subject.parts), fold.train_interval.end, Kind.NOISE):
            trained = rehearse(subject.parts, subject.market, fold, epochs=EPOCHS)
            found += prediction_checks(subject, trained, fold, cuts=_CUTS)
            found += gradient_checks(subject, trained, fold)
            if subject.parts.target.tradable:
                found += fill_checks(subject, trained, fold, cuts=_CUTS)
            else:
                found.append(NotAudited("fills", "the target does not say which way to trade"))
            found += canary_checks(subject, trained, fold)
        if len(subject.folds) > 1:
            why = "a model is trained on one alone; splits and scalers are checked in others"
            found.append(NotAudited(f"models of {len(subject.folds) - 1} other folds", why))
        why = (
            "made on the test part, it stays unseen where three other futures lead to the same one"
        )
        found.append(NotAudited("a model's choice among a few states, such as the kept epoch", why))
        checks = [item for item in found if isinstance(item, Check)]
        return [*ledger.checks(), *checks], [i for i in found if isinstance(i, NotAudited)]


MODEL_CHECKS = (ModelCheck(),)
"""Every check that trains a model; they follow those of the market."""
