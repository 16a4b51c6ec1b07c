// A component that is drawn again only if one of its properties changes.

import { Component, type ComponentChild, type FunctionComponent, h } from "preact";

export function memo<Props extends object>(draw: (props: Props) => ComponentChild): FunctionComponent<Props> {
  class Kept extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const keys = Object.keys(next) as (keyof Props)[];
      return keys.some((key) => next[key] !== (this.props as Props)[key]);
    }

    override render() {
      return draw(this.props as Props);
    }
  }
  return (props) => h(Kept as never, props);
}
