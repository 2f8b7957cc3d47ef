// Which theme is shown, and the colours of a chart in it: canvas knows nothing of stylesheets.
import { useGraphiQL } from "@graphiql/react";
import { useSyncExternalStore } from "react";

const system = matchMedia("(prefers-color-scheme: dark)");

function onSystemTheme(listener) {
  system.addEventListener("change", listener);
  return () => system.removeEventListener("change", listener);
}

/** GraphiQL's settings override the system's theme. */
export function useTheme() {
  const isDark = useSyncExternalStore(onSystemTheme, () => system.matches);
  const chosen = useGraphiQL(({ theme }) => theme);
  return chosen || (isDark ? "dark" : "light");
}

// At least 3 to 1 against the pane's ground, and told apart with the common colour blindnesses as far as eight can be.
export const COLOURS = {
  light: {
    ink: "#1d2433",
    soft: "#5b6579",
    grid: "#1d243322",
    ground: "#ffffff",
    other: "#7d879b",
    series: ["#3451c6", "#c2570c", "#0f8577", "#b3267f", "#7a5cc9", "#8a6a00", "#1b7fb8", "#b4332d"],
  },
  dark: {
    ink: "#e4e8f0",
    soft: "#a5b0c6",
    grid: "#e4e8f022",
    ground: "#212a3b",
    other: "#8f9bb3",
    series: ["#8ea6ff", "#ffa25c", "#3fcfb9", "#ff8fcf", "#c2a5ff", "#e3c34a", "#6cc8ff", "#ff8a80"],
  },
};
