import { memo } from "react";

interface Props {
  values: readonly number[];
  width: number;
  height: number;
  /** What it shows, for those who do not see it. */
  label: string;
  /** As wide as its place. */
  fluid?: boolean;
}

const GAP_PX = 1;
const LEAST_PX = 2;

/** Counts over time as bars, the newest at the right. What is not nothing is always seen. */
export const Bars = memo(function Bars({ values, width, height, label, fluid = false }: Props) {
  const most = Math.max(1, ...values);
  const each = width / Math.max(1, values.length);
  return (
    <svg
      className="bars"
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      width={fluid ? "100%" : width}
      height={height}
    >
      <rect className="bars-base" x={0} y={height - 1} width={width} height={1} />
      {values.map((value, index) => {
        const tall = value === 0 ? 0 : Math.max(LEAST_PX, (value / most) * (height - 1));
        return value === 0 ? null : (
          <rect
            key={index}
            className="bars-bar"
            x={index * each}
            y={height - tall}
            width={Math.max(1, each - GAP_PX)}
            height={tall}
          />
        );
      })}
    </svg>
  );
});
