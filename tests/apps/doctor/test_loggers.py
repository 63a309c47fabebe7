"""Loggers: installed or not, and what wandb will do."""

import importlib.util

import wandb

from wildsr.apps.doctor.findings import ERROR, OK
from wildsr.apps.doctor.loggers import check_loggers


def test_a_logger_that_is_not_installed_is_a_fault_with_the_command(cfg, monkeypatch):
    assert [finding[:3] for finding in check_loggers(cfg("logger=tensorboard"))] == [(OK, "logger", "csv, tensorboard")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _, fault = check_loggers(cfg("logger=tensorboard"))
    assert fault.level == ERROR and fault.advice == "pip install 'wildsr[tensorboard]'"


def test_wandb_is_offline_without_a_key_and_by_its_variable(cfg, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", lambda prompt: False)
    assert check_loggers(cfg("logger=wandb"))[-1].found.startswith("wandb: offline, for want of a key")
    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    assert check_loggers(cfg("logger=wandb"))[-1].found == "wandb: online, as there is a key"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert check_loggers(cfg("logger=wandb"))[-1].found.startswith("wandb: offline")


def test_a_key_that_wandb_refuses_is_a_fault_in_one_line(cfg, monkeypatch):
    def refuse(prompt):
        print("much ado")
        raise wandb.errors.AuthenticationError("the key is not valid\nmore")

    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb, "login", refuse)
    fault = check_loggers(cfg("logger=wandb"))[-1]
    assert fault.level == ERROR
    assert fault.found == "wandb: the key is not valid; WANDB_MODE=offline records without it"
