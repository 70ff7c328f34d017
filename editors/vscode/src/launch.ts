// What is started and told, decided without VS Code so that it can be tested without it.

export interface Choices {
  interpreter: string;
  select: string[];
  extendSelect: string[];
  ignore: string[];
}

// The server is started in the opened folder, and with `-m` Python would look for modules there first: a folder
// that somebody only reads would run its own `rich.py`. (`-P` does the same, from Python 3.11 on.)
const START = "import sys; sys.path = [entry for entry in sys.path if entry]; from nnlint.cli import main; main()";

/** The command of the language server: the user's Python, else the Python extension's, else the path's. */
export function serverCommand(choices: Choices, active: string | undefined): { command: string; args: string[] } {
  const fallback = process.platform === "win32" ? "python" : "python3";
  return { command: choices.interpreter.trim() || active || fallback, args: ["-c", START, "server"] };
}

/** What the server is told at its start; an empty choice leaves it to the settings file. */
export function serverSettings(choices: Choices): Record<string, string[]> {
  const { select, extendSelect, ignore } = choices;
  return Object.fromEntries(
    Object.entries({ select, extendSelect, ignore }).filter(([, rules]) => rules.length > 0),
  );
}

/** The words of a command line, with quotes and backslashes as a POSIX shell reads them. */
export function words(line: string): string[] {
  const found: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const character = line[at];
    if (quote) {
      if (character === quote) quote = "";
      else if (character === "\\" && quote === '"' && '"\\'.includes(line[at + 1] ?? " ")) word += line[++at];
      else word += character;
    } else if (character === "'" || character === '"') {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + (character === "\\" && at + 1 < line.length ? line[++at] : character);
    }
  }
  if (word !== undefined) found.push(word);
  return found;
}
