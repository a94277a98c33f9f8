// What is in a screenshot. A map that drew nothing still reports that it has loaded, so the pixels are asked.

/** Picture reads PNGs with a canvas of the browser that is there anyway. */
export class Pictures {
  constructor(page) {
    this.page = page;
  }

  /** read gives how many colours a PNG has, and how many pixels are near each of the colours named. */
  read(png, named) {
    return this.page.evaluate(async ([data, wanted]) => {
      const pixels = await window.decode(data);
      const colors = new Set(new Uint32Array(pixels.buffer));
      const near = wanted.map(([r, g, b]) => {
        let n = 0;
        for (let i = 0; i < pixels.length; i += 4) {
          if (Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b) < 24) n++;
        }
        return n;
      });
      return { colors: colors.size, near };
    }, [png.toString('base64'), named]);
  }

  /** differ counts the pixels in which two PNGs of one size differ visibly. */
  differ(a, b) {
    return this.page.evaluate(async ([one, other]) => {
      const [p, q] = [await window.decode(one), await window.decode(other)];
      let n = 0;
      for (let i = 0; i < p.length; i += 4) {
        if (Math.abs(p[i] - q[i]) + Math.abs(p[i + 1] - q[i + 1]) + Math.abs(p[i + 2] - q[i + 2]) > 48) n++;
      }
      return n;
    }, [a.toString('base64'), b.toString('base64')]);
  }

  static async open(browser) {
    const page = await browser.newPage();
    await page.evaluate(() => {
      window.decode = async (data) => {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const pen = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
        pen.drawImage(bitmap, 0, 0);
        return pen.getImageData(0, 0, bitmap.width, bitmap.height).data;
      };
    });
    return new Pictures(page);
  }
}
