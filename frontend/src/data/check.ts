// A document may come from another version, or from a file that was cut off. The page then says so in a sentence.

import { type RunData, VERSION } from "./contract.ts";

/** Returns why the page cannot show `document`, or null if it can. */
export function problemOf(document: unknown): string | null {
  if (typeof document !== "object" || document === null) return "The data of this run is not a JSON object.";
  const { version, message } = document as { version?: unknown; message?: unknown };
  if (typeof message === "string") return message;
  if (version !== VERSION) {
    return `The data of this run has format version ${String(version)}; this page reads version ${VERSION}. Update inithealth, or write the run again with this version.`;
  }
  return shapeProblem(document as Partial<RunData>);
}

function shapeProblem(data: Partial<RunData>): string | null {
  const lists = [data.layers, data.steps, data.findings];
  if (!lists.every(Array.isArray) || typeof data.values !== "object")
    return "The data of this run is incomplete.";
  if (data.layers?.length === 0) return "No layer was recorded in this run.";
  if (data.steps?.length === 0) return "No step was recorded in this run yet.";
  return null;
}

/** Returns `data` with the fields that older documents may lack. */
export function completed(data: RunData): RunData {
  const defaults: Partial<RunData> = {
    ...{ notMeasured: [], notes: [], skipped: [], lacks: [], theory: [], versions: {}, expected: {} },
    trunk: { normalized: false, branches: 0 },
    reference: { forward: "", gradient: "" },
    thinned: null,
  };
  return { ...defaults, ...data };
}
