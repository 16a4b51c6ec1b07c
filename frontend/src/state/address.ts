// The window whose address shows the view: TensorBoard's in its tab, else the page's own.

import { hashWith, TAB, viewFrom } from "./hash.ts";
import type { View } from "./view.ts";

/** Whether the page is TensorBoard's tab, whose iframe always has this path, and its window can be reached. */
function isInTensorBoard(): boolean {
  if (!window.location.pathname.endsWith("plugin_entry.html")) return false;
  try {
    // Reading the address of another origin's window raises an error.
    return window.parent.location.hash !== undefined;
  } catch {
    return false;
  }
}

export const isEmbedded = isInTensorBoard();
const owner = isEmbedded ? window.parent : window;

/** Whether the address is this page's to change: in TensorBoard, another tab may be open. */
function isOurs(hash: string): boolean {
  return !isEmbedded || hash.replace(/^#/, "").split("&")[0] === TAB;
}

export function readView(): View {
  return viewFrom(owner.location.hash);
}

export function writeView(view: View): void {
  if (!isOurs(owner.location.hash)) return;
  const hash = hashWith(owner.location.hash, view);
  if (hash === owner.location.hash) return;
  try {
    // replaceState triggers no hashchange event, by which TensorBoard would route again.
    owner.history.replaceState(
      owner.history.state,
      "",
      hash || owner.location.pathname + owner.location.search,
    );
  } catch {
    // A document without an address of its own, as an iframe's srcdoc, keeps its view in memory only.
  }
}

/** Calls `changed` when someone changes the address by hand. Returns how to stop. */
export function onAddress(changed: (view: View) => void): () => void {
  const listen = () => {
    if (isOurs(owner.location.hash)) changed(readView());
  };
  owner.addEventListener("hashchange", listen);
  return () => owner.removeEventListener("hashchange", listen);
}
