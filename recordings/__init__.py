"""Recordings: from files of any format to epochs, from epochs and a hypnogram to a prepared night."""
