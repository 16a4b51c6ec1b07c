// Screenshots of every sample, light and dark:  node dev/screenshots.mjs [folder] [sample ...]

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { writePages } from "./pages.mjs";
import { samples } from "./samples.mjs";

const folder = process.argv[2] ?? "shots";
const names = process.argv.length > 3 ? process.argv.slice(3) : Object.keys(samples);
mkdirSync(folder, { recursive: true });
writePages(folder, names);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
let current = "";
for (const colorScheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme });
  page.on(
    "console",
    (message) => ["error", "warning"].includes(message.type()) && console.log(current, message.text()),
  );
  page.on("pageerror", (error) => console.log(current, error.stack));
  for (const name of names) {
    current = name;
    await page.goto(`file://${resolve(folder)}/${name}.html`);
    await page.waitForSelector(".page, .empty");
    await page.waitForTimeout(250);
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` });
  }
  await page.close();
}
await browser.close();
