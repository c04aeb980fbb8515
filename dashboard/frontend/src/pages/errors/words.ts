/** Time windows of the error pages. */
export const WINDOWS = ["1h", "24h", "7d", "30d"] as const;
export type ErrorWindow = (typeof WINDOWS)[number];

export const WINDOW_LABEL: Record<ErrorWindow, string> = {
  "1h": "Last hour",
  "24h": "Last 24 h",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
};
