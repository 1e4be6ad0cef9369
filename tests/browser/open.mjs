// Opens a page in a headless browser and prints as JSON what is wrong with it.
//
//   node open.mjs PAGE.html [--widths 390,800,1280] [--schemes light,dark] [--pdf FILE]
//     [--shots FOLDER] [--scale 2] [--height PIXELS]
//
// For every width and color scheme: `overflow`, how many pixels the page is wider than the window; `violations`,
// the serious and critical ones of axe; `requests`, all but the page itself; `errors`, of its console. With --shots
// it writes WIDTH-SCHEME.png for each, of the whole page or its first pixels; --pdf writes the print and adds its number of `pages`.
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    widths: { type: "string", default: "390,800,1280" },
    schemes: { type: "string", default: "light,dark" },
    shots: { type: "string" },
    scale: { type: "string", default: "1" },
    height: { type: "string" },
    pdf: { type: "string" },
  },
});
const address = pathToFileURL(resolve(positionals[0])).href;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function look(browser, width, scheme) {
  const context = await browser.newContext({
    viewport: { width, height: Number(options.height ?? 900) }, colorScheme: scheme,
    deviceScaleFactor: Number(options.scale), offline: true, locale: "en",
  });
  const page = await context.newPage();
  const requests = [], errors = [];
  page.on("request", (each) => each.url() === address || each.url().startsWith("data:") || requests.push(each.url()));
  page.on("console", (each) => each.type() === "error" && errors.push(each.text()));
  page.on("pageerror", (each) => errors.push(String(each)));
  page.on("dialog", (each) => (errors.push(`dialog: ${each.message()}`), each.dismiss()));
  await page.goto(address);
  if (options.shots) {
    await page.screenshot({ path: join(options.shots, `${width}-${scheme}.png`), fullPage: !options.height });
  }
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => (each.open = true)));
  const opened = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"], preload: false }));
  const violations = found.violations
    .filter((each) => ["serious", "critical"].includes(each.impact))
    .map((each) => ({ id: each.id, nodes: each.nodes.map((node) => node.html.slice(0, 200)) }));
  await context.close();
  return { width, scheme, overflow: Math.max(overflow, opened), violations, requests, errors };
}

async function print(browser) {
  const page = await browser.newPage({ colorScheme: "dark" });
  await page.goto(address);
  const bytes = await page.pdf({ preferCSSPageSize: true, printBackground: true });
  await writeFile(options.pdf, bytes);
  return bytes.toString("latin1").match(/\/Type\s*\/Page\b(?!s)/g).length;
}

const args = chromium.args.filter((each) => each !== "--single-process"); // it ends with its first context
const browser = await playwright.launch({ args, executablePath: await chromium.executablePath(), headless: true });
try {
  const looks = [];
  for (const width of options.widths.split(",").map(Number)) {
    for (const scheme of options.schemes.split(",")) looks.push(await look(browser, width, scheme));
  }
  const pages = options.pdf ? await print(browser) : undefined;
  console.log(JSON.stringify({ looks, pages }, null, 1));
} finally {
  await browser.close();
}
