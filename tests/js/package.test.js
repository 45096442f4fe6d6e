import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

import { buildSync } from "esbuild";

import { makeLiveSite } from "./helpers/site.js";

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
    const shipped = readdirSync(join(ROOT, FOLDER), { recursive: true }).filter((name) => name.includes("."));
    const wanted = ["LICENSE", "README.md", "package.json", ...shipped.map((name) => `${FOLDER}/${name}`)];
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

for (const splitting of [true, false]) {
    test(`a site's bundle works, ${splitting ? "in several files" : "in one file"}`, { timeout: 20_000 }, async () => {
        const folder = mkdtempSync(join(tmpdir(), "bundle-"));
        try {
            buildSync({
                stdin: { contents: 'export { createNotifier } from "catmaid-notify";', resolveDir: ROOT },
                outdir: folder,
                outExtension: { ".js": ".mjs" },
                bundle: true,
                splitting,
                minify: true,
                format: "esm",
            });
            assert.equal(readdirSync(folder).length, splitting ? 3 : 1);
            const { createNotifier: create } = await import(join(folder, "stdin.mjs"));
            const { server, notifier, clock } = await makeLiveSite({ create });
            notifier.subscribe("a", () => {});
            server.socket.push({ event: "task-progress", payload: { id: "t1", updated: "1" } });
            while (server.socket.got("subscribe").length + notifier.tasks.length < 2) {
                await clock.advance(10); // both are read from the disk
            }
        } finally {
            rmSync(folder, { recursive: true });
        }
    });
}

/**
 * Bundle these modules as a site would, and return the bytes, minified and compressed, of what is loaded `atOnce` (they, and all
 * that they import statically) and of `everything` (what they import on demand, too). Each file is compressed by itself.
 */
function measure(...names) {
    const { outputFiles, metafile } = buildSync({
        entryPoints: names.map((name) => join(ROOT, FOLDER, name)),
        outdir: "/",
        entryNames: "[name]",
        bundle: true,
        splitting: true,
        minify: true,
        format: "esm",
        write: false,
        metafile: true,
    });
    const sizes = new Map(outputFiles.map(({ path, contents }) => [basename(path), gzipSync(contents, { level: 9 }).length]));
    const imports = new Map(
        Object.entries(metafile.outputs).map(([path, output]) => [
            basename(path),
            output.imports.filter(({ kind }) => kind === "import-statement").map(({ path }) => basename(path)),
        ]),
    );
    const atOnce = new Set(names.map((name) => basename(name)));
    for (const name of atOnce) {
        imports.get(name).forEach((imported) => atOnce.add(imported));
    }
    const sum = (files) => [...files].reduce((bytes, file) => bytes + sizes.get(file), 0);
    return { atOnce: sum(atOnce), everything: sum(sizes.keys()) };
}

for (const [what, names, part, limit] of [
    ["the core", ["index.js"], "atOnce", 6_000],
    ["the core with the bundled bell and toasts", ["auto.js", "ui/inbox.js"], "atOnce", 10_000], // auto.js loads ui/inbox.js at once
    ["all that there is, with what is loaded on demand,", ["auto.js", "ui/inbox.js"], "everything", 14_400],
]) {
    test(`${what} has ${limit} bytes at most, minified and compressed`, () => {
        const { [part]: size } = measure(...names);
        assert.ok(size <= limit, `${size} bytes`);
    });
}
