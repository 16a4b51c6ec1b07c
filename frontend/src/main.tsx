// The page's module. TensorBoard calls `render` in the tab's iframe; an HTML file with its data inside draws itself.

import { render as draw } from "preact";
import { findSource } from "./data/source.ts";
import css from "./style.css";
import { App } from "./view/app.tsx";

let isDrawn = false;

export async function render(): Promise<void> {
  if (isDrawn) return;
  isDrawn = true;
  document.title = "Init Health";
  document.documentElement.lang = "en";
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const root = document.createElement("div");
  root.id = "init-health";
  document.body.append(root);
  draw(<App source={findSource()} />, root);
}

if (document.getElementById("init-health-data")) void render();
