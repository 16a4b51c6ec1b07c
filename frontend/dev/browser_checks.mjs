// Checks in a real browser that unit tests cannot make: interactions, speed, accessibility, and no stray request.
//   node dev/browser_checks.mjs [folder for screenshots]

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { chromium } from "playwright-core";
import { writePages } from "./pages.mjs";
import { serve } from "./server.mjs";

const folder = resolve(process.argv[2] ?? "shots");
mkdirSync(folder, { recursive: true });
writePages(folder);
const axe = readFileSync(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const problems = [];

async function opened(url, options = {}) {
  // axe is added to the page, which its content security policy would block.
  const context = await browser.newContext({
    viewport: { width: 1400, height: 900 },
    bypassCSP: options.bypassCSP ?? false,
    ...options,
  });
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && problems.push(`${url}: ${message.text()}`));
  page.on("pageerror", (error) => problems.push(`${url}: ${error.stack}`));
  await page.goto(url);
  if (options.wait !== false) await page.waitForSelector(".page, .empty");
  return page;
}

const file = (name) => `file://${folder}/${name}.html`;
const check = (isTrue, sentence) => {
  if (!isTrue) problems.push(sentence);
  console.log(isTrue ? "ok  " : "FAIL", sentence);
};

async function interactions() {
  const page = await opened(file("mlp"));
  await page.click(".fix .copy");
  await page.waitForSelector(".fix .copy:has-text('Copied')");
  check(true, "one click copies a fix");
  await page.click(".card h2 button");
  check(
    (await page.url()).includes("cause=IH106"),
    "a click on a card marks its layers and is in the address",
  );
  await page.click("text=layers.22");
  check(await page.isVisible(".details h2:has-text('layers.22')"), "a click on a layer opens its details");
  await page.screenshot({ path: `${folder}/mlp-details.png` });
  const address = page.url();
  await page.keyboard.press("Escape");
  check(!(await page.isVisible(".details")), "Escape closes the details");
  const linked = await opened(address);
  check(await linked.isVisible(".details h2:has-text('layers.22')"), "a link shows the same layer");
  await page.keyboard.press("/");
  await page.keyboard.type("layers.4");
  check((await page.textContent(".found")) === "9", "search counts the matches");
  await page.keyboard.press("Enter");
  check(
    await page.isVisible(".details h2:has-text('layers.4')"),
    "Enter in the search opens the first match",
  );
  await page.keyboard.press("Escape");
  await page.focus(".names");
  await page.keyboard.press("Home");
  for (let time = 0; time < 3; time++) await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  check(await page.isVisible(".details h2:has-text('layers.3')"), "arrow keys and Enter open a layer");
  await page.click("[aria-label='Close the details']");
  await page.click(".chip.error");
  check(!(await page.isVisible(".card")), "the severity filter hides the cards");
  await page.click(".chip.error");
  await page.mouse.move(700, 480);
  check((await page.textContent(".tooltip")).includes("too small"), "hovering shows exact values");
  await page.screenshot({ path: `${folder}/mlp-hover.png` });
  for (const format of ["PNG", "SVG", "CSV"]) {
    await page.click(".menu summary:has-text('Export')");
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.click(`.menu button:has-text('${format}')`),
    ]);
    await download.saveAs(`${folder}/export.${format.toLowerCase()}`);
    await page.click(".menu summary:has-text('Export')");
  }
  await page.click("button:has-text('Table')");
  check((await page.locator("tbody tr").count()) === 48, "the table has a row for each layer");
  await page.screenshot({ path: `${folder}/mlp-table.png` });
  await page.click("button:has-text('Table')");
  await page.click("[aria-label='Play the steps']");
  await page.waitForTimeout(700);
  check(!(await page.textContent(".steps .fixed")).endsWith(" 0"), "play moves the step");
  await page.pdf({ path: `${folder}/mlp.pdf`, landscape: true, printBackground: false });
  const hostile = await opened(file("hostile"));
  check(
    (await hostile.evaluate(() => window.attacked)) === undefined &&
      (await hostile.locator("#init-health img").count()) === 0,
    "markup in names is text",
  );
  const deep = await opened(file("deep1000"));
  const before = await deep.locator(".name").count();
  await deep.click(".name.folded >> nth=0");
  check((await deep.locator(".name").count()) > before, "a click unfolds a folded row");
  await deep.click(".name .fold:has-text('▾') >> nth=0");
  check((await deep.locator(".name").count()) === before, "a click folds it again");
}

async function accessibility() {
  for (const [name, scheme] of [
    ["mlp", "light"],
    ["mlp", "dark"],
    ["gpt_fault", "light"],
    ["residual", "dark"],
    ["old", "light"],
    ["deep1000", "dark"],
  ]) {
    const page = await opened(file(name), { bypassCSP: true, colorScheme: scheme });
    const findings = [];
    for (const state of ["map", "details", "table"]) {
      if (state === "details") await page.click(".name:not(.folded) >> nth=0");
      if (state === "table") await page.click("button:has-text('Table')");
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => window.axe.run());
      findings.push(
        ...violations
          .filter(({ impact }) => impact === "serious" || impact === "critical")
          .map(
            ({ id, nodes }) => `${state}: ${id} ${nodes[0].html.slice(0, 120)} ${nodes[0].failureSummary}`,
          ),
      );
    }
    check(findings.length === 0, `axe: ${name} ${scheme} ${findings.join("\n  ")}`);
  }
}

async function speed() {
  for (const name of ["deep200", "deep10000"]) {
    const page = await opened(file(name));
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

async function plugin() {
  const server = await serve();
  const page = await opened(`${server.url}/?tab#init_health`, { wait: false });
  const frame = page.frame({ name: "plugin" });
  await frame.waitForSelector(".page");
  await frame.selectOption("select", "gpt/large projection");
  await frame.waitForSelector("text=transformer.h.5.mlp.c_proj");
  check(page.url().includes("p.init_health.run=gpt"), "the view is in TensorBoard's address");
  await page.evaluate(() => document.body.classList.add("dark-mode"));
  await page.waitForTimeout(200);
  await page.screenshot({ path: `${folder}/plugin-dark.png` });
  await page.evaluate(() => document.body.classList.remove("dark-mode"));
  await frame.selectOption("select", "mlp/small weights");
  await frame.waitForSelector("text=layers.20");
  await frame.click("summary:has-text('Compare')");
  await frame.click(".menu label:has-text('mlp/fixed')");
  await frame.waitForSelector(".titles.several");
  await frame.click("summary:has-text('Compare')");
  await page.waitForTimeout(300);
  await page.screenshot({ path: `${folder}/plugin-side-by-side.png` });
  await frame.click("summary:has-text('Compare')");
  await frame.click(".menu label:has-text('Show the difference')");
  await frame.click("summary:has-text('Compare')");
  await page.waitForTimeout(300);
  await page.screenshot({ path: `${folder}/plugin-difference.png` });
  await frame.selectOption("select", "live");
  await frame.waitForSelector("text=steps 0 to 9");
  await frame.fill(".search input", "fc1");
  await frame.waitForSelector("text=steps 0 to 14", { timeout: 15_000 });
  check((await frame.inputValue(".search input")) === "fc1", "new steps arrive while the view stays");
  await frame.selectOption("select", "unreadable");
  await frame.waitForSelector("text=The event file is cut off");
  check(true, "a message of the server is shown");
  const strangers = server.requests.filter((path) => !path.startsWith("/"));
  check(strangers.length === 0, "no request leaves the origin");
  server.close();
}

/** A notebook shows the page in an iframe that may run scripts and nothing else. */
async function sandbox() {
  const text = readFileSync(`${folder}/mlp.html`, "utf8").replaceAll("&", "&amp;").replaceAll('"', "&quot;");
  writeFileSync(
    `${folder}/notebook.html`,
    `<!doctype html><title>Notebook</title><iframe title="Init Health" sandbox="allow-scripts" srcdoc="${text}" style="width:1100px;height:640px"></iframe>`,
  );
  const page = await opened(file("notebook"), { wait: false });
  const frame = page.frames()[1];
  await frame.waitForSelector(".page");
  await frame.click(".name >> nth=3");
  check(await frame.isVisible(".details h2:has-text('layers.3')"), "the page works in a notebook's sandbox");
  await page.screenshot({ path: `${folder}/notebook.png` });
}

const parts = { interactions, sandbox, accessibility, speed, plugin };
for (const [name, part] of Object.entries(parts)) {
  if (process.argv.length > 3 && !process.argv.slice(3).includes(name)) continue;
  await part().catch((error) => problems.push(`${name}: ${error.stack}`));
}
await browser.close();
for (const problem of problems) console.log("PROBLEM", problem);
process.exitCode = problems.length > 0 ? 1 : 0;
