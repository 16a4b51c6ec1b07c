// Where runs come from: the TensorBoard plugin, or a document inside the HTML file.

import { completed, problemOf } from "./check.ts";
import type { Message, RunData, RunList } from "./contract.ts";

export interface Source {
  live: boolean; // whether asking again can bring new steps
  list(): Promise<RunList>;
  run(name: string, from?: number): Promise<RunData | Message>;
}

/** Returns the source of the document in the page, or the plugin's if there is none. */
export function findSource(): Source {
  const element = document.getElementById("init-health-data");
  return element ? inlined(element.textContent ?? "") : plugin();
}

function inlined(text: string): Source {
  const read = () => checked(() => JSON.parse(text));
  return {
    live: false,
    list: async () => {
      const data = await read();
      if ("message" in data) return { runs: [], message: data.message };
      return { runs: [data], message: null };
    },
    run: read,
  };
}

function plugin(): Source {
  return {
    live: true,
    list: async () => (await json("runs")) as RunList,
    run: (name, from) => {
      const tail = from === undefined ? "" : `&from=${from}`;
      return checked(() => json(`run?run=${encodeURIComponent(name)}${tail}`), from !== undefined);
    },
  };
}

async function json(path: string): Promise<unknown> {
  // TensorBoard sets the base of the plugin's document to the plugin's path.
  const response = await fetch(new URL(path, document.baseURI), { credentials: "same-origin" });
  if (!response.ok) throw new Error(`TensorBoard answered ${response.status}.`);
  return response.json();
}

async function checked(read: () => unknown, isTail = false): Promise<RunData | Message> {
  let document: unknown;
  try {
    document = await read();
  } catch (error) {
    return {
      message: `The run could not be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const problem = problemOf(document);
  const nothingNew =
    isTail && Array.isArray((document as RunData)?.steps) && (document as RunData).steps.length === 0;
  return problem !== null && !nothingNew ? { message: problem } : completed(document as RunData);
}
