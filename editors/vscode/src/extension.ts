import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions } from "vscode-languageclient/node";

import { type Choices, serverCommand, serverSettings, words } from "./launch";

let client: LanguageClient | undefined;
// Of the last run of each file, since the next one is mostly the same.
const lastArguments = new Map<string, string>();

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  context.subscriptions.push(
    vscode.commands.registerCommand("nnlint.restart", restart),
    vscode.commands.registerCommand("nnlint.runFile", runFile),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("nnlint")) void restart();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => restart()),
  );
  await start();
}

export async function deactivate(): Promise<void> {
  await client?.stop();
  client = undefined;
}

function choices(): Choices {
  const settings = vscode.workspace.getConfiguration("nnlint");
  return {
    interpreter: settings.get("interpreter", ""),
    select: settings.get("select", []),
    extendSelect: settings.get("extendSelect", []),
    ignore: settings.get("ignore", []),
  };
}

/** The interpreter that the Python extension has chosen, if that extension is there. */
async function activeInterpreter(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension("ms-python.python");
  if (!extension) return undefined;
  const api = await extension.activate();
  const path = api?.environments?.getActiveEnvironmentPath?.();
  return (await api?.environments?.resolveEnvironment?.(path))?.executable?.uri?.fsPath;
}

async function start(): Promise<void> {
  const chosen = choices();
  const options: LanguageClientOptions = {
    documentSelector: [
      { scheme: "file", language: "python" },
      { scheme: "untitled", language: "python" },
      { notebook: "*", language: "python" },
    ],
    initializationOptions: serverSettings(chosen),
  };
  client = new LanguageClient("nnlint", "nnlint", serverCommand(chosen, await activeInterpreter()), options);
  try {
    await client.start();
  } catch (error) {
    const how = "pip install 'nnlint[server]' in that Python, or set nnlint.interpreter";
    void vscode.window.showErrorMessage(`nnlint did not start: ${error}. ${how}.`);
  }
}

async function restart(): Promise<void> {
  await deactivate().catch(() => undefined);
  await start();
}

/** Runs the script, which reading never does: asked for, saved, and in a trusted folder only. */
async function runFile(): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (!client || document?.languageId !== "python") return;
  if (!vscode.workspace.isTrusted) {
    void vscode.window.showWarningMessage("nnlint runs scripts in trusted folders only.");
    return;
  }
  const uri = document.uri.toString();
  const line = await vscode.window.showInputBox({
    prompt: "The script's own arguments",
    value: lastArguments.get(uri) ?? "",
  });
  if (line === undefined) return;
  lastArguments.set(uri, line);
  await document.save();
  await client.sendRequest("workspace/executeCommand", { command: "nnlint.run", arguments: [uri, words(line)] });
}
