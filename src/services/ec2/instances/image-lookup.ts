/** The image that a launch names, as far as the launch needs it. */
export { requireImage, type UsableImage as LaunchImage } from '../images/find.ts';
