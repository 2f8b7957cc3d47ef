// One process that serves the preset over node:http.
import { createServer } from "node:http";
import { postgraphile } from "postgraphile";
import { grafserv } from "postgraphile/grafserv/node";
import preset from "./graphile.config.mjs";

const serv = postgraphile(preset).createServ(grafserv);
const server = createServer();
server.on("error", (error) => {
  console.error(error);
  process.exit(1);
});
serv.addTo(server);
server.listen(preset.grafserv.port, preset.grafserv.host);
for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
