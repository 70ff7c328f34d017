import assert from "node:assert/strict";
import { test } from "node:test";

import { serverCommand, serverSettings, words } from "../src/launch";

const none = { interpreter: "", select: [], extendSelect: [], ignore: [] };

test("the user's interpreter comes before the Python extension's, and that before the path's", () => {
  assert.equal(serverCommand({ ...none, interpreter: " /mine/python " }, "/theirs/python").command, "/mine/python");
  assert.equal(serverCommand(none, "/theirs/python").command, "/theirs/python");
  assert.match(serverCommand(none, undefined).command, /^python3?$/);
  assert.equal(serverCommand(none, undefined).args.at(-1), "server");
});

test("an empty choice is left to the settings file", () => {
  assert.deepEqual(serverSettings(none), {});
  assert.deepEqual(serverSettings({ ...none, ignore: ["NNL303"] }), { ignore: ["NNL303"] });
});

test("arguments are split as a shell splits them", () => {
  assert.deepEqual(words(`--epochs 3  --name "a b" 'c "d"' e\\ f --empty ""`), [
    "--epochs", "3", "--name", "a b", 'c "d"', "e f", "--empty", "",
  ]);
  assert.deepEqual(words("  "), []);
});
