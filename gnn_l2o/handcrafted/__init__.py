"""Handcrafted decentralized methods, one file each."""

from collections.abc import Mapping
from typing import Any

from gnn_l2o.algorithms.registry import METHODS
from gnn_l2o.algorithms.tunable import Tunable
from gnn_l2o.handcrafted.admm import ADMM
from gnn_l2o.handcrafted.admm_diagonal import DiagonalADMM
from gnn_l2o.handcrafted.admm_robust import RobustADMM
from gnn_l2o.handcrafted.admm_steps import ADMM4, ADMM16
from gnn_l2o.handcrafted.apapc import APAPC
from gnn_l2o.handcrafted.atc_tracking import ATCTracking
from gnn_l2o.handcrafted.condat_vu import CondatVu
from gnn_l2o.handcrafted.d2 import D2
from gnn_l2o.handcrafted.d_nasa import DNASA
from gnn_l2o.handcrafted.dadam import DAdam
from gnn_l2o.handcrafted.dapg import DAPG
from gnn_l2o.handcrafted.demuon import DeMuon
from gnn_l2o.handcrafted.diffusion import Diffusion
from gnn_l2o.handcrafted.diging import DIGing
from gnn_l2o.handcrafted.dinno import DiNNO
from gnn_l2o.handcrafted.dinno_adam import DiNNOAdam
from gnn_l2o.handcrafted.dmbfgs import DMBFGS
from gnn_l2o.handcrafted.dsgd import DSGD
from gnn_l2o.handcrafted.dsgt import DSGT
from gnn_l2o.handcrafted.esom import ESOM
from gnn_l2o.handcrafted.extragradient import Extragradient
from gnn_l2o.handcrafted.gda import GDA
from gnn_l2o.handcrafted.halpern import Halpern
from gnn_l2o.handcrafted.inexact_admm import InexactADMM
from gnn_l2o.handcrafted.inexact_alm import InexactALM
from gnn_l2o.handcrafted.k_gt import KGT
from gnn_l2o.handcrafted.kuruzov import Kuruzov
from gnn_l2o.handcrafted.lt_admm import LTADMM
from gnn_l2o.handcrafted.network_giant import NetworkGIANT
from gnn_l2o.handcrafted.nids import NIDS
from gnn_l2o.handcrafted.nids_local import NIDSLocal
from gnn_l2o.handcrafted.odapg import ODAPG
from gnn_l2o.handcrafted.opapc import OPAPC
from gnn_l2o.handcrafted.optimistic_gda import OptimisticGDA
from gnn_l2o.handcrafted.pg_extra import PGExtra
from gnn_l2o.handcrafted.prox_atc import ProxATC
from gnn_l2o.handcrafted.prox_dgd import ProxDGD
from gnn_l2o.handcrafted.prox_ed import ProxED
from gnn_l2o.handcrafted.prox_mudag import ProxMudag
from gnn_l2o.handcrafted.prox_skip import ProxSkip
from gnn_l2o.handcrafted.push_diging import PushDIGing
from gnn_l2o.handcrafted.sonata import SONATA
from gnn_l2o.handcrafted.spectral_admm import SpectralADMM

_METHODS: tuple[type[Tunable[Any]], ...] = (
    ADMM,
    ADMM16,
    ADMM4,
    APAPC,
    ATCTracking,
    CondatVu,
    D2,
    DAdam,
    DAPG,
    DeMuon,
    DiagonalADMM,
    Diffusion,
    DIGing,
    DiNNO,
    DiNNOAdam,
    DMBFGS,
    DNASA,
    DSGD,
    DSGT,
    ESOM,
    Extragradient,
    GDA,
    Halpern,
    InexactADMM,
    InexactALM,
    KGT,
    Kuruzov,
    LTADMM,
    NetworkGIANT,
    NIDS,
    NIDSLocal,
    ODAPG,
    OPAPC,
    OptimisticGDA,
    PGExtra,
    ProxATC,
    ProxDGD,
    ProxED,
    ProxMudag,
    ProxSkip,
    PushDIGing,
    SONATA,
    RobustADMM,
    SpectralADMM,
)

HANDCRAFTED: dict[str, type[Tunable[Any]]] = {method.name: METHODS.register(method) for method in _METHODS}

ALIASES: Mapping[str, str] = {
    "atc": "diffusion",
    "adaptive_admm": "spectral_admm",
    "aug_dgm": "prox_atc",
    "dgd": "prox_dgd",
    "dlm": "inexact_admm",
    "ed": "prox_ed",
    "exact_diffusion": "prox_ed",
    "extra": "pg_extra",
    "mudag": "prox_mudag",
}
"""Other names of methods, most of them those in the literature where there is no regularizer."""

__all__ = [
    "ADMM",
    "ADMM4",
    "ADMM16",
    "ALIASES",
    "APAPC",
    "D2",
    "DAPG",
    "DMBFGS",
    "DNASA",
    "DSGD",
    "DSGT",
    "ESOM",
    "GDA",
    "HANDCRAFTED",
    "KGT",
    "LTADMM",
    "NIDS",
    "ODAPG",
    "OPAPC",
    "SONATA",
    "ATCTracking",
    "CondatVu",
    "DAdam",
    "DIGing",
    "DeMuon",
    "DiNNO",
    "DiNNOAdam",
    "DiagonalADMM",
    "Diffusion",
    "Extragradient",
    "Halpern",
    "InexactADMM",
    "InexactALM",
    "Kuruzov",
    "NIDSLocal",
    "NetworkGIANT",
    "OptimisticGDA",
    "PGExtra",
    "ProxATC",
    "ProxDGD",
    "ProxED",
    "ProxMudag",
    "ProxSkip",
    "PushDIGing",
    "RobustADMM",
    "SpectralADMM",
]
