"""Source text -> ScriptModel. Never imports torch, never runs what it reads."""
