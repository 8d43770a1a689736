// Opens examples/browser in Chromium, for tests/browser_check.py.
//
// Standard input is JSON: `chromium`, `camera` and `video` are paths, `modules` is the
// folder of the packages. `pages` are addresses; in each, `images` ({file, box}) are opened
// one after the other, and boxes drawn with the mouse; then the video and the camera.
// `files` are timed instead, in turns.
// Standard output is JSON: what the pages give.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const job = JSON.parse(readFileSync(0, "utf8"));
const { chromium } = createRequire(`${job.modules}/`)("playwright-core");
const browser = await chromium.launch({
  executablePath: job.chromium,
  args: ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${job.camera}`],
});
const timeout = 120000;

async function open(address) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
  page.on("pageerror", (error) => { throw error; });
  await page.goto(address);
  return page;
}

// Does something, and waits for what the page then finds.
async function after(page, act) {
  await page.evaluate(() => { globalThis.pose = null; });
  await act();
  await page.waitForFunction(() => globalThis.pose, null, { timeout });
  return page.evaluate(() => globalThis.pose);
}

async function drawBox(page, [left, top, right, bottom]) {
  const place = await page.locator("#view").boundingBox();
  const width = await page.evaluate(() => document.getElementById("view").width);
  const at = (x, y) => [place.x + x * place.width / width, place.y + y * place.width / width];
  await page.mouse.move(...at(left, top));
  await page.mouse.down();
  await page.mouse.move(...at(right, bottom));
  return after(page, () => page.mouse.up());
}

// Opens a page, and waits for its network.
async function ready(address) {
  const page = await open(address);
  await page.waitForFunction(
    () => document.getElementById("status").textContent.startsWith("Choose"), null, { timeout });
  return page;
}

async function estimate(address) {
  const page = await ready(address), other = await ready(address), found = [];
  for (const { file, box } of job.images) {
    const whole = await after(page, () => page.locator("#file").setInputFiles(file));
    found.push(box ? await drawBox(page, box) : whole);
  }
  await page.screenshot({ path: job.screenshot });
  const video = await after(other, () => other.locator("#file").setInputFiles(job.video));
  await other.close();
  const camera = await after(page, () => page.locator("#camera").click());
  const status = await page.locator("#status").textContent();
  await page.close();
  return { found, video, camera, status };
}

// Milliseconds of the files' networks, the least of turns.
async function time(address) {
  const page = await open(address);
  const found = await page.evaluate(async (files) => {
    const ort = await import("./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
    ort.env.wasm.numThreads = 1;
    const networks = [];
    for (const file of files) {
      const session = await ort.InferenceSession.create(file);
      const [{ name, shape }] = session.inputMetadata;
      const values = new Float32Array(shape.reduce((a, b) => a * b)).fill(0.5);
      networks.push({ file, session, feed: { [name]: new ort.Tensor("float32", values, shape) } });
    }
    const least = Object.fromEntries(files.map((file) => [file, Infinity]));
    for (let turn = 0; turn < 30; turn++)
      for (const { file, session, feed } of networks) {
        const start = performance.now();
        await session.run(feed);
        least[file] = Math.min(least[file], performance.now() - start);
      }
    return least;
  }, job.files);
  await page.close();
  return found;
}

const results = [];
for (const address of job.pages) results.push(await (job.files ? time : estimate)(address));
console.log(JSON.stringify(results));
await browser.close();
