// Opens a page of the site, searches it and prints as JSON the titles of what is found, all requests and errors.
//
//   node search.mjs PAGE.html WORDS
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import chromium from "@sparticuz/chromium";
import { chromium as playwright } from "playwright-core";

const [page_file, words] = process.argv.slice(2);
const args = chromium.args.filter((each) => each !== "--single-process"); // it ends with its first context
const browser = await playwright.launch({ args, executablePath: await chromium.executablePath(), headless: true });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const requests = [], errors = [];
  page.on("request", (each) => requests.push(each.url()));
  page.on("console", (each) => each.type() === "error" && errors.push(each.text()));
  page.on("pageerror", (each) => errors.push(String(each)));
  await page.goto(pathToFileURL(resolve(page_file)).href);
  await page.click(".md-search__input");
  await page.keyboard.type(words);
  await page.waitForSelector(".md-search-result__link", { timeout: 20000 });
  const titles = await page.locator(".md-search-result__article h1, .md-search-result__article h2").allInnerTexts();
  console.log(JSON.stringify({ titles, requests, errors }, null, 1));
} finally {
  await browser.close();
}
