// Light or dark: the system's wish, unless staff chose otherwise on this computer.

export type Theme = 'light' | 'dark';

const key = 'hexfleet.theme';

class Themes {
  current = $state<Theme>('light');

  constructor() {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const chosen = localStorage.getItem(key);
    this.show(chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light');
    system.addEventListener('change', (e) => {
      if (localStorage.getItem(key) === null) {
        this.show(e.matches ? 'dark' : 'light');
      }
    });
  }

  toggle(): void {
    this.show(this.current === 'dark' ? 'light' : 'dark');
    localStorage.setItem(key, this.current);
  }

  private show(t: Theme): void {
    this.current = t;
    document.documentElement.dataset['theme'] = t;
  }
}

export const theme = new Themes();
