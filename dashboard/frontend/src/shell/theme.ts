/** Light, dark, or as the system says. Remembered in this browser only. */
import { useCallback, useEffect, useState } from "react";

export type Theme = "auto" | "light" | "dark";
const KEY = "durable.theme";

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === "light" || value === "dark" ? value : "auto";
  } catch {
    return "auto";
  }
}

export function applyTheme(theme: Theme = stored()): void {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function systemIsDark(): boolean {
  return window.matchMedia("(prefers-color-scheme: dark)").matches;
}

export function useTheme(): { theme: Theme; dark: boolean; next: () => void } {
  const [theme, setTheme] = useState<Theme>(stored);
  const [system, setSystem] = useState(systemIsDark);
  useEffect(() => {
    const query = window.matchMedia("(prefers-color-scheme: dark)");
    const listen = (): void => setSystem(query.matches);
    query.addEventListener("change", listen);
    return () => query.removeEventListener("change", listen);
  }, []);
  const next = useCallback(() => {
    const order: Theme[] = ["auto", "light", "dark"];
    const chosen = order[(order.indexOf(theme) + 1) % order.length] ?? "auto";
    try {
      localStorage.setItem(KEY, chosen);
    } catch {
      // A browser that keeps nothing still changes this page.
    }
    applyTheme(chosen);
    setTheme(chosen);
  }, [theme]);
  return { theme, dark: theme === "auto" ? system : theme === "dark", next };
}
