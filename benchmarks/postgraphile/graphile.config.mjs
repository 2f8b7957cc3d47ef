// PostGraphile as its manual recommends for production, and quicker where it offers a choice.
import { PgManyToManyPreset } from "@graphile-contrib/pg-many-to-many";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { addPgTableOrderBy, orderByAscDesc } from "postgraphile/utils";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";

// Those who never signed in come last, which is the order of the index; by default they would come first.
const recentLogin = addPgTableOrderBy({ schemaName: "public", tableName: "users" }, () =>
  orderByAscDesc("RECENT_LOGIN", "last_login_at", { nulls: "first-iff-ascending", nullable: true }),
);

export default {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset, PgManyToManyPreset],
  plugins: [recentLogin],
  // It would hide the filter by a role's name: that little table has no index on it.
  disablePlugins: ["PgIndexBehaviorsPlugin"],
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL,
      schemas: ["public"],
      poolConfig: { max: Number(process.env.POOL) },
    }),
  ],
  gather: { installWatchFixtures: false },
  schema: { defaultBehavior: "list connection", connectionFilterRelations: true },
  grafast: { explain: false },
  grafserv: {
    host: "127.0.0.1",
    port: Number(process.env.PORT),
    graphqlPath: "/graphql",
    graphiql: false,
    watch: false,
    outputDataAsString: true,
  },
};
