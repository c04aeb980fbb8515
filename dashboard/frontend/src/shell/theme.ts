/** Light, dark, or as the system says. Remembered in this browser only; the colours themselves follow by ``light-dark()``. */
import { useCallback, useState } from "react";

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

export function useTheme(): { theme: Theme; next: () => void } {
  const [theme, setTheme] = useState<Theme>(stored);
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
  return { theme, next };
}
