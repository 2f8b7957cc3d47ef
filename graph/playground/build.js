// Bundles the GraphQL page: app.jsx with its workers and styles, under hashed names, plus a manifest.
// Usage: node build.js OUTPUT_FOLDER
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const output = process.argv[2] ?? "assets";
const shared = {
  absWorkingDir: path.dirname(fileURLToPath(import.meta.url)),
  bundle: true,
  minify: true,
  metafile: true,
  legalComments: "external",
  logLevel: "warning",
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  outdir: output,
  target: "es2022",
};

// GraphiQL's own stylesheet already carries Monaco's styles and icon font as data, so the copies that
// Monaco's modules import would only double the download.
const withoutMonacoStyles = {
  name: "without-monaco-styles",
  setup({ onLoad }) {
    onLoad({ filter: /monaco-editor[\\/].*\.css$/ }, () => ({ contents: "", loader: "css" }));
  },
};

/** The file built from each named entry point: {app: "app-HASH.js"}. */
function entries({ outputs }) {
  const named = Object.entries(outputs).filter(([, built]) => built.entryPoint);
  return Object.fromEntries(
    named.map(([file]) => [path.basename(file).replace(/-[A-Z0-9]{8}\.\w+$/, ""), path.basename(file)]),
  );
}

const workers = await build({
  ...shared,
  entryPoints: {
    editor: "monaco-editor/esm/vs/editor/editor.worker.js",
    json: "monaco-editor/esm/vs/language/json/json.worker.js",
    graphql: "monaco-graphql/esm/graphql.worker.js",
  },
  format: "iife",
});

const app = await build({
  ...shared,
  entryPoints: { app: "app.jsx" },
  format: "esm",
  splitting: true,
  jsx: "automatic",
  define: {
    "process.env.NODE_ENV": '"production"',
    WORKERS: JSON.stringify(entries(workers.metafile)),
  },
  plugins: [withoutMonacoStyles],
});

const [script, { cssBundle }] = Object.entries(app.metafile.outputs).find(([, built]) => built.entryPoint === "app.jsx");
const manifest = { script: path.basename(script), style: path.basename(cssBundle) };
await writeFile(path.resolve(shared.absWorkingDir, output, "manifest.json"), `${JSON.stringify(manifest)}\n`);
