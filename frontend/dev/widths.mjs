// Screenshots of one sample at several widths:  node dev/widths.mjs [folder] [sample]

import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { writePages } from "./pages.mjs";

const [folder, name] = [process.argv[2] ?? "shots", process.argv[3] ?? "mlp"];
writePages(folder, [name]);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
for (const width of [800, 1100, 1600]) {
  const page = await browser.newPage({ viewport: { width, height: 900 } });
  await page.goto(`file://${resolve(folder)}/${name}.html`);
  await page.waitForTimeout(300);
  await page.screenshot({ path: `${folder}/${name}-${width}.png` });
}
await browser.close();
