// How long the first picture takes, and the frames while scrolling, hovering and stepping:  node dev/speed.mjs [folder]

import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { writePages } from "./pages.mjs";

const NAMES = ["deep200", "deep10000"];
const folder = resolve(process.argv[2] ?? "shots");
mkdirSync(folder, { recursive: true });
writePages(folder, NAMES);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });

async function speed() {
  for (const name of NAMES) {
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
    await page.goto(`file://${folder}/${name}.html`);
    await page.waitForSelector("canvas");
    const painted = await page.evaluate(
      () =>
        new Promise((resolve) =>
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now()))),
        ),
    );
    const scrolled = await frames(page, async () => {
      await page.mouse.move(600, 500);
      for (let time = 0; time < 40; time++) await page.mouse.wheel(0, time < 20 ? 60 : -60);
    });
    await page.evaluate(() => document.querySelector(".names").focus());
    const hovered = await frames(page, async () => {
      for (let time = 0; time < 60; time++) await page.mouse.move(420 + time * 7, 300 + ((time * 17) % 420));
    });
    const stepped = await frames(page, async () => {
      await page.focus(".steps input");
      for (let time = 0; time < 20; time++) await page.keyboard.press("ArrowRight");
    });
    console.log(
      `${name}: first picture ${painted.toFixed(0)} ms; longest task while scrolling ${scrolled}, hovering ${hovered}, stepping ${stepped}`,
    );
  }
}

/** The longest and the median time between two frames while `act` runs. */
async function frames(page, act) {
  await page.evaluate(() => {
    window.times = [];
    window.running = true;
    let last = performance.now();
    const tick = () => {
      window.times.push(performance.now() - last);
      last = performance.now();
      if (window.running) requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  });
  await act();
  return page.evaluate(() => {
    window.running = false;
    const sorted = window.times.slice(1).sort((a, b) => a - b);
    const at = (share) => sorted[Math.floor(share * (sorted.length - 1))].toFixed(0);
    return `median ${at(0.5)}, 95 % ${at(0.95)}, longest ${at(1)} ms of ${sorted.length} frames`;
  });
}

await speed();
await browser.close();
