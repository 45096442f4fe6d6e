import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { buildSync } from "esbuild";

const ROOT = join(import.meta.dirname, "../..");
const FOLDER = "catmaid_notify/static/catmaid_notify";
const description = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

const run = (...command) => execFileSync(command[0], command.slice(1), { cwd: ROOT, encoding: "utf8" });
const tool = (name) => join(ROOT, "node_modules/.bin", name);

test("the declarations fit a page that uses all of them", () => {
    try {
        run(tool("tsc"), "--project", "tests/js/types/tsconfig.json");
    } catch (error) {
        assert.fail(error.stdout);
    }
});

test("the package has the modules, their types, the style sheet, and nothing else", () => {
    const [{ files }] = JSON.parse(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts", "--loglevel=error"));
    const wanted = ["LICENSE", "README.md", "package.json", ...readdirSync(join(ROOT, FOLDER)).map((name) => `${FOLDER}/${name}`)];
    assert.deepEqual(files.map(({ path }) => path).sort(), wanted.sort());
    for (const path of wanted.slice(3)) {
        assert.match(path, /\w\.(js|d\.ts|css)$|LICENSE|README\.md|package\.json/);
    }
});

test("all that the package exports is there, and its scripts can be imported by the package's name", async () => {
    for (const [name, target] of Object.entries(description.exports)) {
        for (const path of typeof target === "string" ? [target] : Object.values(target)) {
            assert.ok(readFileSync(join(ROOT, path)).length > 0);
        }
        if (typeof target !== "string") {
            const imported = await import(`${description.name}${name.slice(1)}`);
            assert.ok(Object.keys(imported).length > 0, name);
        }
    }
});

test("the package has the version of the Python package", () => {
    const version = /__version__ = "(.+)"/.exec(readFileSync(join(ROOT, "catmaid_notify/__init__.py"), "utf8"));
    assert.equal(description.version, version?.[1]);
});

for (const [what, entry, limit] of [
    ["the core", "index.js", 7_250],
    ["the core with the bundled inbox", "auto.js", 11_650],
]) {
    test(`${what} has ${limit} bytes at most, minified and compressed`, () => {
        const entryPoints = [join(ROOT, FOLDER, entry)];
        const { outputFiles } = buildSync({ entryPoints, bundle: true, minify: true, format: "esm", write: false });
        const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
        assert.ok(size <= limit, `${size} bytes`);
    });
}
