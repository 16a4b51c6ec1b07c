// The view as the part of an address after "#". TensorBoard's own part, the tab's name first, is kept: a plugin's
// values are "p.<plugin>.<key>=<value>" there, as in TensorBoard's plugin library.

import { SEVERITIES, START, type View } from "./view.ts";

export const TAB = "init_health";
const PREFIX = `p.${TAB}.`;

/** Returns the view in `hash`. Unknown or broken values are left out. */
export function viewFrom(hash: string): View {
  const values = new Map<string, string>();
  for (const [key, value] of pairsOf(hash))
    if (key.startsWith(PREFIX)) values.set(key.slice(PREFIX.length), value);
  const list = (key: string) => (values.get(key) ?? "").split("\n").filter((each) => each !== "");
  const step = Number(values.get("step"));
  const severities = list("severity");
  return {
    run: values.get("run") ?? null,
    compare: list("with"),
    isDifference: values.get("difference") === "1",
    step: values.has("step") && Number.isInteger(step) && step >= 0 ? step : null,
    layer: values.get("layer") ?? null,
    cause: values.get("cause") ?? null,
    opened: list("open"),
    closed: list("closed"),
    severities: values.has("severity")
      ? SEVERITIES.filter((each) => severities.includes(each))
      : START.severities,
    query: values.get("search") ?? "",
    isTable: values.get("table") === "1",
  };
}

/** Returns `hash` with the view in it; what belongs to others stays. */
export function hashWith(hash: string, view: View): string {
  const others = hash
    .replace(/^#/, "")
    .split("&")
    .filter((part) => part !== "" && !decoded(part).startsWith(PREFIX));
  const own = Object.entries(valuesOf(view)).map(
    ([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`,
  );
  const parts = [...others, ...own];
  return parts.length > 0 ? `#${parts.join("&")}` : "";
}

function valuesOf(view: View): Record<string, string> {
  const values: Record<string, string> = {};
  const set = (key: string, value: string | null) => {
    if (value) values[key] = value;
  };
  set("run", view.run);
  set("with", view.compare.join("\n"));
  set("difference", view.isDifference ? "1" : null);
  set("step", view.step === null ? null : String(view.step));
  set("layer", view.layer);
  set("cause", view.cause);
  set("open", view.opened.join("\n"));
  set("closed", view.closed.join("\n"));
  if (view.severities.length < SEVERITIES.length) values.severity = view.severities.join("\n");
  set("search", view.query);
  set("table", view.isTable ? "1" : null);
  return values;
}

function pairsOf(hash: string): [string, string][] {
  return hash
    .replace(/^#/, "")
    .split("&")
    .map((part) => {
      const [key, ...rest] = part.split("=");
      return [decoded(key), decoded(rest.join("="))];
    });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address cut off inside an escape
  }
}
